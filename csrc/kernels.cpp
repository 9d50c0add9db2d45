// The kernels of one instruction set. This file is compiled once for each, with UNROLLED_NAME (a namespace),
// UNROLLED_BYTES (of a vector register) and UNROLLED_VECTORS (of such vectors in a panel of a packed matrix).
//
// Everything is written with GCC's vector extensions, and names no instruction but where UNROLLED_PAIRS (products of pairs
// of bf16, and of four bytes) or UNROLLED_TILES (Intel's AMX) say that the set has them. Nothing is shared with other
// translation units either (no inline function of the standard library): the linker might otherwise keep the copy
// that was compiled for an instruction set which this machine lacks.
#include "kernels.h"

#include <math.h>

#include "lanes.h"
#include "products.h"
#include "quarters.h"
#ifdef UNROLLED_TILES
#include "amx.h"
#else
#include "halves.h"
#endif

namespace unrolled {
namespace UNROLLED_NAME {
namespace {

// Elementwise functions ---------------------------------------------------------------------------------------------

// The polynomial in x whose coefficients are given from the highest power down.
template <class T, int N>
inline V<T> polynomial(V<T> x, const T (&coefficients)[N]) {
    V<T> p = all(coefficients[0]);
    for (int i = 1; i < N; i++) p = p * x + coefficients[i];
    return p;
}

// (exp(r) - 1 - r) / r^2 by Taylor's series: |r| <= ln 2 / 2 needs few terms.
inline V<float> exp_rest(V<float> r) {
    constexpr float terms[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f};
    return polynomial<float>(r, terms);
}

inline V<double> exp_rest(V<double> r) {
    constexpr double terms[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
    return polynomial<double>(r, terms);
}

// A value and what its rounding lost.
template <class T>
struct Pair {
    V<T> high, low;
};

// one + other, where |one| >= |other| or one is 0.
template <class T>
inline Pair<T> exact_sum(V<T> one, V<T> other) {
    V<T> sum = one + other;
    return {sum, other - (sum - one)};
}

// one + other, whichever is larger.
template <class T>
inline Pair<T> exact_sum_of_any(V<T> one, V<T> other) {
    V<T> sum = one + other, of_other = sum - one;
    return {sum, (one - (sum - of_other)) + (other - of_other)};
}

// exp(r) - 1 for x = n ln 2 + r. A NaN passes through r.
template <class T>
inline Pair<T> reduced_exp(V<T> x, I<T>& n) {
    using L = Lanes<T>;
    V<T> shifted = x * L::log2e + L::round;
    n = (I<T>)shifted - (I<T>)all(L::round);
    V<T> whole = shifted - L::round;
    V<T> first = x - whole * L::ln2_high;
    V<T> r = first - whole * L::ln2_low;
    V<T> lost = (first - r) - whole * L::ln2_low;
    return exact_sum<T>(r, r * r * exp_rest(r) + lost);
}

template <class T>
inline V<T> power_of_two(I<T> n) {
    return (V<T>)((n + Lanes<T>::bias) << Lanes<T>::mantissa);
}

template <class T>
inline Pair<T> exp_pair(V<T> x) {
    using L = Lanes<T>;
    x = x < L::lowest ? all(L::lowest) : x;  // false for NaN, which stays
    x = x > L::highest ? all(L::highest) : x;
    I<T> n;
    Pair<T> rest = reduced_exp<T>(x, n);
    Pair<T> e = exact_sum<T>(all(T(1)), rest.high);
    I<T> half = n >> 1;  // 2^n itself may be out of range where the result is not
    V<T> scale = power_of_two<T>(half), again = power_of_two<T>(n - half);
    return {e.high * scale * again, (e.low + rest.low) * scale * again};
}

template <class T>
inline V<T> exp_of(V<T> x) {
    return exp_pair<T>(x).high;
}

template <class T>
inline V<T> magnitude(V<T> x) {
    return (V<T>)((I<T>)x & ~(I<T>{} + Lanes<T>::sign));
}

// tanh |x| = e / (e + 2) with e = exp(2|x|) - 1, which loses nothing near 0; 1 / (e + 2) = (1 - tanh |x|) / 2.
template <class T>
inline V<T> tanh_of(V<T> x) {
    using L = Lanes<T>;
    V<T> a = magnitude<T>(x);
    a = a > L::saturated ? all(L::saturated) : a;
    I<T> n;
    Pair<T> rest = reduced_exp<T>(a + a, n);
    V<T> scale = power_of_two<T>(n);
    Pair<T> e = exact_sum<T>(scale - 1, rest.high * scale);
    e.low += rest.low * scale;
    Pair<T> below = exact_sum_of_any<T>(e.high, all(T(2)));
    V<T> q = e.high / below.high;
    q += (e.low - q * (below.low + e.low)) * (T(0.5) - T(0.5) * q);
    return (V<T>)((I<T>)q | ((I<T>)x & (I<T>{} + L::sign)));
}

// exp(-|x|) never overflows, and its quotients keep a small result as exact as a large one.
template <class T>
inline V<T> sigmoid_of(V<T> x) {
    Pair<T> e = exp_pair<T>(-magnitude<T>(x));
    Pair<T> below = exact_sum<T>(all(T(1)), e.high);
    V<T> q = (x < 0 ? e.high : all(T(1))) / below.high;
    V<T> inverse = x < 0 ? 1 - q : q;
    return q + ((x < 0 ? e.low : V<T>{}) - q * (below.low + e.low)) * inverse;
}

// log(1 + e) = 2 artanh(s) with s = e / (2 + e), for e in [0, 1].
inline V<float> artanh_rest(V<float> q) {
    constexpr float terms[] = {1.0f / 17, 1.0f / 15, 1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3};
    return polynomial<float>(q, terms);
}

inline V<double> artanh_rest(V<double> q) {
    constexpr double terms[] = {1.0 / 35, 1.0 / 33, 1.0 / 31, 1.0 / 29, 1.0 / 27, 1.0 / 25, 1.0 / 23, 1.0 / 21, 1.0 / 19,
                                1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3};
    return polynomial<double>(q, terms);
}

template <class T>
inline V<T> softplus_of(V<T> x) {
    Pair<T> e = exp_pair<T>(-magnitude<T>(x));
    Pair<T> below = exact_sum<T>(all(T(2)), e.high);
    V<T> s = e.high / below.high, twice = s + s, q = s * s;
    V<T> lost = (e.low - s * (below.low + e.low)) * (1 - s) * (1 + q);  // times 1 / (1 - q), the derivative of artanh
    return (x > 0 ? x : x != x ? x : V<T>{}) + (twice + (twice * (q * artanh_rest(q)) + lost));
}

template <class T, class F>
inline V<T> each(V<T> x, F f) {
    for (Size i = 0; i < width<T>; i++) x[i] = f(x[i]);
    return x;
}

inline float log_of(float x) { return ::logf(x); }
inline double log_of(double x) { return ::log(x); }
inline float sin_of(float x) { return ::sinf(x); }
inline double sin_of(double x) { return ::sin(x); }
inline float cos_of(float x) { return ::cosf(x); }
inline double cos_of(double x) { return ::cos(x); }
inline float root_of(float x) { return __builtin_sqrtf(x); }
inline double root_of(double x) { return __builtin_sqrt(x); }
inline float power_of(float x, float p) { return ::powf(x, p); }
inline double power_of(double x, double p) { return ::pow(x, p); }

template <class T>
inline V<T> one_where(I<T> holds) {
    return (V<T>)(holds & (I<T>)all(T(1)));
}

template <class T>
inline V<T> sign_of(V<T> x) {
    return one_where<T>(x > 0) - one_where<T>(x < 0) + (x != x ? x : V<T>{});
}

#define UNARY(name, expression)                                                    \
    struct name {                                                                  \
        template <class T>                                                         \
        static V<T> of(V<T> a, [[maybe_unused]] T low, [[maybe_unused]] T high) {  \
            return expression;                                                     \
        }                                                                          \
    };

UNARY(Copy, a)
UNARY(Neg, -a)
UNARY(Pow, (low == 2 ? a * a : each<T>(a, [low](T x) { return power_of(x, low); })))
UNARY(Tanh, tanh_of<T>(a))
UNARY(Sigmoid, sigmoid_of<T>(a))
UNARY(Relu, (a <= 0 ? V<T>{} : a))
UNARY(Exp, exp_of<T>(a))
UNARY(Log, (each<T>(a, [](T x) { return log_of(x); })))
UNARY(Abs, magnitude<T>(a))
UNARY(Sqrt, (each<T>(a, [](T x) { return root_of(x); })))
UNARY(Softplus, softplus_of<T>(a))
UNARY(Sin, (each<T>(a, [](T x) { return sin_of(x); })))
UNARY(Cos, (each<T>(a, [](T x) { return cos_of(x); })))
UNARY(Clip, (a < low ? all(low) : a > high ? all(high) : a))
UNARY(Sign, sign_of<T>(a))
UNARY(Positive, T(1) - one_where<T>(a <= 0))
UNARY(Heaviside, T(0.5) * (sign_of<T>(a) + 1))
UNARY(Within, one_where<T>((a >= low) & (a <= high)))

#define BINARY(name, expression)              \
    struct name {                             \
        template <class T>                    \
        static V<T> of(V<T> a, V<T> b) {      \
            return expression;                \
        }                                     \
    };

BINARY(Add, a + b)
BINARY(Sub, a - b)
BINARY(Mul, a * b)
BINARY(Div, a / b)
BINARY(Max, (a != a ? a : a > b ? a : b))  // a NaN in either place stays
BINARY(Min, (a != a ? a : a < b ? a : b))
BINARY(DTanh, a * (1 - b * b))
BINARY(DSigmoid, a * (b * (1 - b)))

// Rows of vectors; a rest is computed in a whole vector too, so that a component's value does not depend on its place.

template <class T, bool Scalar>
inline V<T> get(const T* row, Size j) {
    return Scalar ? all(row[0]) : load(row + j);
}

template <class T, bool Scalar>
inline V<T> get_rest(const T* row, Size j, Size count) {
    if (Scalar) return all(row[0]);
    V<T> v{};
    memcpy(&v, row + j, size_t(count) * sizeof(T));
    return v;
}

template <class T, class F, bool Scalar>
void unary_rows(T* out, Size stride, Operand<T> a, Size rows, Size columns, T low, T high) {
    for (Size r = 0; r < rows; r++) {
        T* to = out + r * stride;
        const T* from = a.data + r * a.stride;
        Size j = 0;
        for (; j + width<T> <= columns; j += width<T>) store(to + j, F::template of<T>(get<T, Scalar>(from, j), low, high));
        if (j < columns) {
            V<T> v = F::template of<T>(get_rest<T, Scalar>(from, j, columns - j), low, high);
            memcpy(to + j, &v, size_t(columns - j) * sizeof(T));
        }
    }
}

template <class T, class F>
void unary(T* out, Size stride, Operand<T> a, Size rows, Size columns, T low, T high) {
    if (!a.scalar && stride == columns && a.stride == columns) columns *= rows, rows = 1;  // one long row
    (a.scalar ? unary_rows<T, F, true> : unary_rows<T, F, false>)(out, stride, a, rows, columns, low, high);
}

template <class T, class F, bool ScalarA, bool ScalarB>
void binary_rows(T* out, Size stride, Operand<T> a, Operand<T> b, Size rows, Size columns) {
    for (Size r = 0; r < rows; r++) {
        T* to = out + r * stride;
        const T *x = a.data + r * a.stride, *y = b.data + r * b.stride;
        Size j = 0;
        for (; j + width<T> <= columns; j += width<T>)
            store(to + j, F::template of<T>(get<T, ScalarA>(x, j), get<T, ScalarB>(y, j)));
        if (j < columns) {
            Size rest = columns - j;
            V<T> v = F::template of<T>(get_rest<T, ScalarA>(x, j, rest), get_rest<T, ScalarB>(y, j, rest));
            memcpy(to + j, &v, size_t(rest) * sizeof(T));
        }
    }
}

template <class T, class F>
void binary(T* out, Size stride, Operand<T> a, Operand<T> b, Size rows, Size columns) {
    if (!a.scalar && !b.scalar && stride == columns && a.stride == columns && b.stride == columns)
        columns *= rows, rows = 1;
    auto run = a.scalar ? (b.scalar ? binary_rows<T, F, true, true> : binary_rows<T, F, true, false>)
                        : (b.scalar ? binary_rows<T, F, false, true> : binary_rows<T, F, false, false>);
    run(out, stride, a, b, rows, columns);
}

// Reductions: a row is summed lane by lane, then over the lanes, whatever else is computed beside it.

template <class T, class F>
inline T reduce(Size columns, F term) {
    V<T> lanes{};
    Size j = 0;
    for (; j + width<T> <= columns; j += width<T>) lanes += term(j, width<T>);
    if (j < columns) lanes += term(j, columns - j);
    T total = 0;
    for (Size i = 0; i < width<T>; i++) total += lanes[i];
    return total;
}

template <class T>
inline V<T> some(const T* row, Size j, Size count) {
    return count == width<T> ? load(row + j) : get_rest<T, false>(row, j, count);
}

template <class T>
void sum(T* out, Size stride, Operand<T> a, Size rows, Size columns, T scale) {
    for (Size r = 0; r < rows; r++) {
        const T* x = a.data + r * a.stride;
        out[r * stride] = scale * reduce<T>(columns, [x](Size j, Size n) { return some(x, j, n); });
    }
}

template <class T>
void dot(T* out, Size stride, Operand<T> a, Operand<T> b, Size rows, Size columns) {
    for (Size r = 0; r < rows; r++) {
        const T *x = a.data + r * a.stride, *y = b.data + r * b.stride;
        out[r * stride] = reduce<T>(columns, [x, y](Size j, Size n) { return some(x, j, n) * some(y, j, n); });
    }
}

template <class T>
void softmax(T* out, Size stride, Operand<T> a, Size rows, Size columns) {
    for (Size r = 0; r < rows; r++) {
        const T* x = a.data + r * a.stride;
        T* y = out + r * stride;
        T largest = x[0];
        for (Size j = 1; j < columns; j++) largest = largest != largest ? largest : x[j] <= largest ? largest : x[j];
        binary<T, Sub>(y, 0, {x, 0, false}, {&largest, 0, true}, 1, columns);
        unary<T, Exp>(y, 0, {y, 0, false}, 1, columns, 0, 0);
        T total = reduce<T>(columns, [y](Size j, Size n) { return some<T>(y, j, n); });
        binary<T, Div>(y, 0, {y, 0, false}, {&total, 0, true}, 1, columns);
    }
}

template <class T>
constexpr typename Kernels<T>::Packing as_it_is() {
    return {Whole<T>::words, packed_size<Whole<T>>, [](Size) { return Size(0); }, pack<T>, multiply<T>};
}

constexpr Kernels<float>::Packing in_halves(float) {
    const auto workspace = [](Size) { return half_workspace; };
#ifdef UNROLLED_TILES
    return {Halves::words, packed_size<Halves>, workspace, pack_halves, multiply_on_tiles};
#else
    return {Halves::words, packed_size<Halves>, workspace, pack_halves, multiply_halves};
#endif
}
constexpr Kernels<double>::Packing in_halves(double) { return {}; }

constexpr Kernels<float>::Packing in_quarters(float) {
    const auto size = [](Size k, Size n) { return k <= Quarters::most ? packed_size<Quarters>(k, n) : -1; };
    return {Quarters::words, size, quarters_workspace, pack_quarters, multiply_quarters};
}
constexpr Kernels<double>::Packing in_quarters(double) { return {}; }

template <class T>
constexpr Kernels<T> kernels() {
    return {
        unary<T, Copy>,     unary<T, Neg>,  unary<T, Pow>,      unary<T, Tanh>,      unary<T, Sigmoid>, unary<T, Relu>,
        unary<T, Exp>,      unary<T, Log>,  unary<T, Abs>,      unary<T, Sqrt>,      unary<T, Softplus>, unary<T, Sin>,
        unary<T, Cos>,      unary<T, Clip>, unary<T, Sign>,     unary<T, Positive>,  unary<T, Heaviside>,
        unary<T, Within>,   binary<T, Add>, binary<T, Sub>,     binary<T, Mul>,      binary<T, Div>,    binary<T, Max>,
        binary<T, Min>,     binary<T, DTanh>, binary<T, DSigmoid>, sum<T>, dot<T>, softmax<T>, panel<T>, as_it_is<T>(),
        in_halves(T()), in_quarters(T()),
    };
}

}  // namespace

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
extern const Isa table;
const Isa table = {TEXT(UNROLLED_NAME), kernels<float>(), kernels<double>()};

}  // namespace UNROLLED_NAME
}  // namespace unrolled
