// Products of numbers rounded to bf16, the upper half of a float, whose sums are floats. Part of kernels.cpp.
//
// A word of a packed matrix is a pair: two numbers of one column that stand one below the other, the first in the lower half.
// Where the instruction set multiplies such pairs (UNROLLED_PAIRS), what they are multiplied with becomes pairs too, else
// floats that were rounded.
#pragma once
#include "products.h"
#ifdef UNROLLED_PAIRS
#include <immintrin.h>
#endif

namespace unrolled {
namespace UNROLLED_NAME {
namespace {

constexpr Size half_depth = 512;  // rows of a matrix that are multiplied at once
constexpr Size half_unit = 32;    // its packed form has a multiple of so many rows, zeros at the end

inline Size whole_units(Size k) { return (k + half_unit - 1) / half_unit * half_unit; }

inline I<float> bits(V<float> x) { return (I<float>)x; }

// x as bf16 in the upper halves, to nearest, ties to even; the lower halves are of no meaning.
inline I<float> rounded(V<float> x) {
    const I<float> b = bits(x);
    return x != x ? b | 0x400000 : b + 0x7fff + (b >> 16 & 1);
}

inline I<float> pairs(V<float> first, V<float> second) {
    return (I<float>)(((I<float>)rounded(first) >> 16 & 0xffff) | (rounded(second) & ~0xffff));
}

// Up to a vector of numbers, `across` apart, and zeros.
inline V<float> some_of(const float* from, Size across, Size count) {
    V<float> v{};
    if (across == 1 && count >= width<float>) return load(from);
    for (Size i = 0; i < count && i < width<float>; i++) v[i] = from[i * across];
    return v;
}

// Pairs down `count` columns, rows i and i + 1 of the k rows of a matrix.
inline I<float> pairs_of(const float* data, Size row, Size column, Size i, Size k, Size count) {
    return pairs(i < k ? some_of(data + i * row, column, count) : V<float>{},
                 i + 1 < k ? some_of(data + (i + 1) * row, column, count) : V<float>{});
}

#ifdef UNROLLED_PAIRS
// Row i of a square of words becomes its column i.
inline void transpose(I<float> (&x)[16]) {
    const auto step = [&](int distance, __m512i low, __m512i high) {
        UNROLLED_ALL for (int i = 0; i < 16; i++) {
            if (i & distance) continue;
            const __m512i a = (__m512i)x[i], b = (__m512i)x[i + distance];
            x[i] = (I<float>)_mm512_permutex2var_epi32(a, low, b);
            x[i + distance] = (I<float>)_mm512_permutex2var_epi32(a, high, b);
        }
    };
    step(8, _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
         _mm512_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
    step(4, _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
         _mm512_setr_epi32(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31));
    step(2, _mm512_setr_epi32(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
         _mm512_setr_epi32(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31));
    step(1, _mm512_setr_epi32(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
         _mm512_setr_epi32(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31));
}

// 32 numbers side by side, of which `count` exist, as 16 pairs.
inline I<float> row_of_pairs(const float* from, Size count) {
    const auto mask = [](Size n) { return __mmask16(n >= 16 ? 0xffff : n > 0 ? (1 << n) - 1 : 0); };
    return (I<float>)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(mask(count - 16), from + 16), _mm512_maskz_loadu_ps(mask(count), from));
}
#endif

// What will be read soon: `bytes` of each of `rows` rows, `apart` numbers from each other.
inline void fetch(const float* data, Size apart, Size rows, Size bytes) {
    for (Size r = 0; r < rows; r++, data += apart)
        for (Size at = 0; at < bytes; at += line) __builtin_prefetch(reinterpret_cast<const char*>(data) + at, 0, 2);
}

// Pairs of `columns` <= panel columns of k rows, as rows of `step` words.
inline void pack_panel(float* to, Size step, const float* data, Size row, Size column, Size k, Size columns) {
#ifdef UNROLLED_PAIRS
    if (row == 1) {  // where columns lie as rows
        for (Size j = 0; j < columns; j += 16)
            for (Size i = 0; i < k; i += 32) {
                I<float> square[16] = {};
                for (Size c = 0; c < 16 && j + c < columns; c++) square[c] = row_of_pairs(data + (j + c) * column + i, k - i);
                transpose(square);
                UNROLLED_ALL for (int p = 0; p < 16; p++) memcpy(to + j + (i / 2 + p) * step, &square[p], sizeof square[p]);
            }
        return;
    }
#endif
    for (Size i = 0; i < whole_units(k); i += 2, to += step) {
        if (i + 8 < k) fetch(data + (i + 8) * row, row, 2, columns * Size(sizeof(float)));
        for (Size j = 0; j < columns; j += width<float>) {
            const I<float> made = pairs_of(data + j * column, row, column, i, k, columns - j);
            memcpy(to + j, &made, sizeof made);
        }
    }
}

void pack_halves(float* packed, const float* data, Size row, Size column, Size k, Size n) {
    for (Size low = 0; low < n; low += panel<float>) {
        const Size columns = n - low < panel<float> ? n - low : panel<float>, step = padded<float>(columns);
        pack_panel(packed, step, data + low * column, row, column, k, columns);
        packed += whole_units(k) / 2 * step;
    }
}

struct Halves {
    using Number = float;
    using Sum = V<float>;
    static constexpr Size deepest = 64;
    static Size words(Size k) { return whole_units(k) / 2; }
#ifdef UNROLLED_PAIRS
    static constexpr int parts = 1;
    static Sum row(const float* packed, int) { return load(packed); }
    static __m512i factor(const float* a) { return _mm512_castps_si512(_mm512_set1_ps(*a)); }
    static void add(Sum& sum, __m512i factor, Sum row) {
        sum = (Sum)_mm512_dpbf16_ps((__m512)sum, (__m512bh)factor, (__m512bh)row);
    }
#else
    static constexpr int parts = 2;
    static Sum row(const float* packed, int part) {
        const I<float> both = (I<float>)load(packed);
        return (V<float>)(part ? both & ~0xffff : both << 16);
    }
    static float factor(const float* a) { return *a; }
    static void add(Sum& sum, float factor, Sum row) { sum += factor * row; }
#endif
};

constexpr Size half_workspace = (together + 2 * width<float>) * half_depth;

// p.a, rounded into the workspace: `k` numbers of each row from `from` on.
inline void round_factors(Product<float>& p, Size from, Size k) {
    const float* a = p.a + from * p.column;
    float* to = p.workspace;
    p.k = (k + 1) / 2;
    p.a = to;
    if (p.column == 1) {
        constexpr Size unit = 2 / Halves::parts * width<float>;  // numbers that become a vector
        const Size row = p.row;
        p.row = whole_units(k) * Halves::parts / 2;
        for (Size r = 0; r < p.m; r++, a += row, to += p.row)
            for (Size i = 0; i < k; i += unit) {
#ifdef UNROLLED_PAIRS
                const I<float> made = row_of_pairs(a + i, k - i);
#else
                const I<float> made = rounded(some_of(a + i, 1, k - i)) & ~0xffff;
#endif
                memcpy(to + i / unit * width<float>, &made, sizeof made);
            }
        return;
    }
    const Size column = p.column;  // the rows lie side by side, and stay so
    p.row = 1;
    p.column = (p.m + width<float> - 1) / width<float> * width<float>;
    for (Size i = 0; i < k; i += 2, to += Halves::parts * p.column)
        for (Size r = 0; r < p.m; r += width<float>) {
            const I<float> made = pairs_of(a + r, column, 1, i, k, p.m - r);
#ifdef UNROLLED_PAIRS
            memcpy(to + r, &made, sizeof made);
#else
            const I<float> both[] = {made << 16, made & ~0xffff};
            memcpy(to + r, &both[0], sizeof both[0]);
            memcpy(to + p.column + r, &both[1], sizeof both[1]);
#endif
        }
}

#ifndef UNROLLED_TILES
void multiply_halves(const Product<float>& p) {
    Soon<float> soon{p.soon, p.soon_count};
    in_blocks(p, together, 1, [&](const Product<float>& some) {
        for (Size from = 0; from < p.k || from == 0; from += half_depth) {
            Product<float> now = some;
            if (from) now.init = some.c, now.ldi = some.ldc;
            round_factors(now, from, p.k - from < half_depth ? p.k - from : half_depth);
            multiply_rows<Halves>(now, from / 2, Halves::words(p.k), soon);
        }
    });
}
#endif

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
