// Vectors of one instruction set. Part of kernels.cpp, which says what UNROLLED_NAME and UNROLLED_BYTES are.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace unrolled {
namespace UNROLLED_NAME {
namespace {

using Size = ptrdiff_t;

template <class T>
struct Lanes;

template <>
struct Lanes<float> {
    typedef float V __attribute__((vector_size(UNROLLED_BYTES)));
    typedef int32_t I __attribute__((vector_size(UNROLLED_BYTES)));
    static constexpr int32_t sign = INT32_MIN;
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float round = 12582912.0f;  // 1.5 · 2^23: adding it leaves the nearest whole number in the low bits
    static constexpr float log2e = 1.44269504f;
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;  // high has 9 bits: n · high is exact
    static constexpr float lowest = -104.5f, highest = 89.5f;                   // beyond: exp is 0, exp overflows
    static constexpr float saturated = 10.0f;                                   // beyond: tanh is 1
};

template <>
struct Lanes<double> {
    typedef double V __attribute__((vector_size(UNROLLED_BYTES)));
    typedef int64_t I __attribute__((vector_size(UNROLLED_BYTES)));
    static constexpr int64_t sign = INT64_MIN;
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double round = 6755399441055744.0;  // 1.5 · 2^52
    static constexpr double log2e = 1.4426950408889634;
    static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    static constexpr double lowest = -746.5, highest = 710.5;
    static constexpr double saturated = 20.0;
};

template <class T>
using V = typename Lanes<T>::V;
template <class T>
using I = typename Lanes<T>::I;
template <class T>
constexpr Size width = UNROLLED_BYTES / sizeof(T);

template <class T>
inline V<T> load(const T* from) {
    V<T> v;
    memcpy(&v, from, sizeof v);
    return v;
}

template <class T>
inline void store(T* to, V<T> v) {
    memcpy(to, &v, sizeof v);
}

template <class T>
inline V<T> all(T value) {
    return V<T>{} + value;
}

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
