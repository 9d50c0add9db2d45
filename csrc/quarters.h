// Products of whole numbers of 8 bits, whose sums are whole numbers too: each column of the packed matrix has a scale, and so
// has each row of what it is multiplied with, which is rounded for each product. Part of kernels.cpp.
//
// A word of a packed matrix has four numbers of one column that stand one below the other, the first in the lowest bits. A
// panel begins with two rows of words: the scales, and what UNROLLED_PAIRS has to subtract, because it multiplies with
// unsigned numbers. What a product multiplies lies in rows without gaps: p.column is 1. The sums are exact; a number at the edge
// between two whole ones may be rounded to either.
#pragma once
#include "products.h"
#ifdef UNROLLED_PAIRS
#include <immintrin.h>
#endif

namespace unrolled {
namespace UNROLLED_NAME {
namespace {

struct Quarters {
    using Number = float;
    using Sum = I<float>;
    static constexpr Size heads = 2, deepest = Size(1) << 40, most = 1 << 16;  // more rows might overflow a sum
    static Size quads(Size k) { return (k + 3) / 4; }
    static Size words(Size k) { return quads(k) + heads; }
    static int32_t bits(const float* a) {
        int32_t b;
        memcpy(&b, a, sizeof b);
        return b;
    }
#ifdef UNROLLED_PAIRS
    static constexpr int parts = 1;
    static Sum row(const float* packed, int) { return (Sum)load(packed); }
    static __m512i factor(const float* a) { return _mm512_set1_epi32(bits(a)); }
    static void add(Sum& sum, __m512i factor, Sum row) { sum = (Sum)_mm512_dpbusd_epi32((__m512i)sum, factor, (__m512i)row); }
#else
    static constexpr int parts = 4;
    static Sum row(const float* packed, int part) { return (Sum)load(packed) << (24 - 8 * part) >> 24; }
    static int32_t factor(const float* a) { return bits(a); }
    static void add(Sum& sum, int32_t factor, Sum row) { sum += factor * row; }
#endif
};

constexpr int32_t infinite = 0x7f800000;

// What one number of a row is worth whose largest magnitude has these bits, and by what numbers are multiplied to be whole.
struct Scale {
    float one, inverse;
    explicit Scale(int32_t largest) {
        float magnitude;
        memcpy(&magnitude, &largest, sizeof magnitude);
        const bool tiny = magnitude < 127 * __FLT_MIN__;  // no number of these is worth a normalised float
        one = largest >= infinite ? __builtin_nanf("") : tiny ? 0 : magnitude / 127;
        inverse = tiny || largest >= infinite ? 0 : 127 / magnitude;
    }
};

inline int32_t magnitude_bits(float x) { return Quarters::bits(&x) & 0x7fffffff; }

constexpr int32_t zero = 0x4b400000;  // the bits of Lanes<float>::round

// x, a number from -127 to 127, to the nearest whole one, ties to even.
inline int32_t whole(float x) {
    const float shifted = x + Lanes<float>::round;
    return Quarters::bits(&shifted) - zero;
}

void pack_quarters(float* packed, const float* data, Size row, Size column, Size k, Size n) {
    const Size quads = Quarters::quads(k);
    for (Size low = 0; low < n; low += panel<float>) {
        const Size columns = n - low < panel<float> ? n - low : panel<float>, step = padded<float>(columns);
        memset(packed, 0, size_t((quads + Quarters::heads) * step) * sizeof(float));
        for (Size j = 0; j < columns; j++) {
            const float* from = data + (low + j) * column;
            int32_t largest = 0, sum = 0;
            for (Size i = 0; i < k; i++) {
                const int32_t b = magnitude_bits(from[i * row]);
                largest = b > largest ? b : largest;
            }
            const Scale scale(largest);
            auto* bytes = reinterpret_cast<int8_t*>(packed + Quarters::heads * step + j);
            for (Size i = 0; i < k; i++) {
                const int32_t number = scale.inverse == 0 ? 0 : whole(from[i * row] * scale.inverse);
                bytes[i / 4 * step * 4 + i % 4] = int8_t(number);
                sum += 128 * number;
            }
            packed[j] = scale.one;
            memcpy(packed + step + j, &sum, sizeof sum);
        }
        packed += (quads + Quarters::heads) * step;
    }
}

constexpr Size quarters_rows = 24, quarters_columns = 4 * panel<float>;  // that are multiplied at once

// Words of a row that was rounded, in whole vectors of the numbers.
inline Size rounded_row(Size k) { return (k + width<float> - 1) / width<float> * width<float> * Quarters::parts / 4; }

Size quarters_workspace(Size k) { return quarters_rows * (rounded_row(k) + quarters_columns + 1); }

// Rounds a row, to one word for four numbers or for each.
inline float round_row(float* to, const float* a, Size k) {
    const Size rest = k % width<float>;
    V<float> last{};  // what does not fill a vector
    if (rest) memcpy(&last, a + k - rest, size_t(rest) * sizeof(float));
    I<float> magnitudes = (I<float>)last & 0x7fffffff;
    for (Size i = 0; i + width<float> <= k; i += width<float>) {
        const I<float> b = (I<float>)load(a + i) & 0x7fffffff;
        magnitudes = b > magnitudes ? b : magnitudes;
    }
    int32_t largest = 0;
    for (Size lane = 0; lane < width<float>; lane++) largest = magnitudes[lane] > largest ? magnitudes[lane] : largest;
    const Scale scale(largest);
    const I<float> any = I<float>{} - (scale.inverse != 0);  // what is not finite counts in the scale alone
    for (Size i = 0; i < k; i += width<float>) {
        const V<float> scaled = (i + width<float> <= k ? load(a + i) : last) * scale.inverse;
        const I<float> numbers = ((I<float>)(scaled + Lanes<float>::round) - zero) & any;
#ifdef UNROLLED_PAIRS
        const __m128i bytes = _mm_xor_si128(_mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)numbers), _mm_set1_epi8(-128));
        memcpy(to + i / 4, &bytes, sizeof bytes);
#else
        memcpy(to + i, &numbers, sizeof numbers);
#endif
    }
    return scale.one;
}

// c = init + sums, times the scales, for one row and up to a panel of columns; `heads` are those of the panel.
inline void scale_row(float* c, const float* init, const float* sums, float scale, const float* heads, [[maybe_unused]] Size step,
                      Size columns) {
    for (Size j = 0; j < columns; j += width<float>) {
        const Size count = columns - j < width<float> ? columns - j : width<float>;
        I<float> sum{};
        if (count == width<float>)
            sum = (I<float>)load(sums + j);
        else
            memcpy(&sum, sums + j, size_t(count) * sizeof(float));
#ifdef UNROLLED_PAIRS
        sum -= (I<float>)load(heads + step + j);
#endif
        const V<float> product = __builtin_convertvector(sum, V<float>) * (load(heads + j) * scale);
        if (count == width<float>) {
            store(c + j, init ? load(init + j) + product : product);
        } else {
            for (Size i = 0; i < count; i++) c[j + i] = init ? init[j + i] + product[i] : product[i];
        }
    }
}

void multiply_quarters(const Product<float>& p) {
    const Size words = Quarters::words(p.k), row = rounded_row(p.k);
    Soon<float> soon{p.soon, p.soon_count};
    in_blocks(p, quarters_rows, 1, [&](const Product<float>& some) {
        float *sums = some.workspace, *scales = sums + quarters_rows * quarters_columns, *rounded = scales + quarters_rows;
        for (Size r = 0; r < some.m; r++) scales[r] = round_row(rounded + r * row, some.a + r * some.row, some.k);
        for (Size group = 0; group < some.groups; group++)
            for (Size low = 0; low < some.n; low += quarters_columns) {
                const Size at = group * some.jump + low, columns = some.n - low < quarters_columns ? some.n - low : quarters_columns;
                Product<float> now{sums, quarters_columns, nullptr, 0, rounded, row, 1, some.packed + at * words, some.m,
                                   Quarters::quads(some.k), columns};
                multiply_rows<Quarters>(now, Quarters::heads, words, soon);
                for (Size r = 0; r < some.m; r++)
                    for (Size j = 0; j < columns; j += panel<float>) {
                        const Size here = columns - j < panel<float> ? columns - j : panel<float>;
                        scale_row(some.c + r * some.ldc + at + j, some.init ? some.init + r * some.ldi + at + j : nullptr,
                                  sums + r * quarters_columns + j, scales[r], now.packed + j * words, padded<float>(here), here);
                    }
            }
    });
}

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
