// Products of halves on Intel's tiles (AMX): a tile register has up to 16 rows of 64 bytes. Part of kernels.cpp, for
// instruction sets that have them.
//
// The numbers are added in another order than without tiles, and in the same one for any number of rows.
#pragma once
#include "halves.h"

namespace unrolled {
namespace UNROLLED_NAME {
namespace {

constexpr Size tile_rows = 16, tile_columns = 16, tile_words = 16 * 16;
constexpr Size tiles_together = 6;  // rows of tiles that stay in the second cache while all columns pass
static_assert(tiles_together * half_depth / 32 * tile_words <= half_workspace);
static_assert(panel<float> % (2 * tile_columns) == 0 && half_unit == 32 && half_depth % half_unit == 0);

// Compilers do not know that tiles read and write memory: what was written before this is there, what is read after it is new.
inline void memory_settles() { __asm__ __volatile__("" : : : "memory"); }

// Tiles 0 to 3 are the sums, of two times two tiles; 4 and 5 the rows of a, 6 and 7 the columns of the packed matrix.
struct Shape {
    Size upper = 0, lower = 0;  // rows

    void use(Size wanted_upper, Size wanted_lower) {
        if (upper == wanted_upper && lower == wanted_lower) return;
        upper = wanted_upper;
        lower = wanted_lower;
        struct alignas(64) {
            uint8_t palette = 1, start = 0, reserved[14] = {};
            uint16_t bytes[16] = {};
            uint8_t rows[16] = {};
        } config;
        const Size heights[] = {upper, upper, lower, lower, upper, lower, 16, 16};
        for (int i = 0; i < 8; i++) {
            config.rows[i] = uint8_t(heights[i]);
            config.bytes[i] = heights[i] ? 64 : 0;
        }
        __asm__ __volatile__("" : : "r"(&config) : "memory");
        _tile_loadconfig(&config);
    }
};

// Two times two tiles of c, or fewer.
struct Corner {
    float* c;
    Size ldc;
    const float* init;  // nullptr: zeros
    Size ldi;
    const float *upper, *lower;  // the tiles of a, one after the other
    const float* packed;
    Size step, tiles;  // words from one packed row to the next; how many tiles to multiply
    const float* next;  // what will be c
};

template <bool Lower, bool Right>
inline void multiply_corner(const Corner& t, Size split) {
    memory_settles();
    if (t.init) {
        _tile_loadd(0, t.init, t.ldi * 4);
        if constexpr (Right) _tile_loadd(1, t.init + tile_columns, t.ldi * 4);
        if constexpr (Lower) _tile_loadd(2, t.init + split * t.ldi, t.ldi * 4);
        if constexpr (Lower && Right) _tile_loadd(3, t.init + split * t.ldi + tile_columns, t.ldi * 4);
    } else {
        _tile_zero(0);
        if constexpr (Right) _tile_zero(1);
        if constexpr (Lower) _tile_zero(2);
        if constexpr (Lower && Right) _tile_zero(3);
    }
    const float *upper = t.upper, *lower = t.lower, *packed = t.packed;
    const float* next = t.next;
    for (Size i = 0; i < t.tiles; i++, upper += tile_words, lower += tile_words, packed += 16 * t.step, next += t.ldc) {
        if (i < tile_rows) {  // the next corner, or near it
            __builtin_prefetch(next, 1);
            __builtin_prefetch(next + tile_columns, 1);
            __builtin_prefetch(next + tile_rows * t.ldc, 1);
            __builtin_prefetch(next + tile_rows * t.ldc + tile_columns, 1);
        }
        _tile_loadd(6, packed, t.step * 4);
        _tile_loadd(4, upper, 64);
        _tile_dpbf16ps(0, 4, 6);
        if constexpr (Right) {
            _tile_loadd(7, packed + tile_columns, t.step * 4);
            _tile_dpbf16ps(1, 4, 7);
        }
        if constexpr (Lower) {
            _tile_loadd(5, lower, 64);
            _tile_dpbf16ps(2, 5, 6);
            if constexpr (Right) _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, t.c, t.ldc * 4);
    if constexpr (Right) _tile_stored(1, t.c + tile_columns, t.ldc * 4);
    if constexpr (Lower) _tile_stored(2, t.c + split * t.ldc, t.ldc * 4);
    if constexpr (Lower && Right) _tile_stored(3, t.c + split * t.ldc + tile_columns, t.ldc * 4);
    memory_settles();
}

inline void any_corner(const Corner& t, const Shape& shape, bool right) {
    if (shape.lower)
        right ? multiply_corner<true, true>(t, shape.upper) : multiply_corner<true, false>(t, shape.upper);
    else
        right ? multiply_corner<false, true>(t, shape.upper) : multiply_corner<false, false>(t, shape.upper);
}

// Where the columns end inside a tile: in a copy, of which only the columns that exist are written back.
inline void edge_corner(Corner t, const Shape& shape, Size columns) {
    constexpr Size step = 2 * tile_columns;
    float copy[2 * tile_rows * step] = {};
    const Size rows = shape.upper + shape.lower, ldc = t.ldc;
    float* c = t.c;
    if (t.init)
        for (Size r = 0; r < rows; r++) memcpy(copy + r * step, t.init + r * t.ldi, size_t(columns) * sizeof(float));
    t.init = t.c = copy;
    t.ldi = t.ldc = step;
    any_corner(t, shape, columns > tile_columns);
    for (Size r = 0; r < rows; r++) memcpy(c + r * ldc, copy + r * step, size_t(columns) * sizeof(float));
}

// Up to 16 rows of `a`, of which k numbers are left, as one tile.
inline void tile_of(float* to, const float* a, Size row, Size column, Size height, Size k) {
    if (column == 1) {
        for (Size r = 0; r < height; r++) {
            const I<float> made = row_of_pairs(a + r * row, k);
            memcpy(to + r * 16, &made, sizeof made);
        }
    } else {
        I<float> square[16];
        UNROLLED_ALL for (Size j = 0; j < 16; j++) square[j] = pairs_of(a, column, 1, 2 * j, k, height);
        transpose(square);
        memcpy(to, square, size_t(height) * sizeof square[0]);
    }
}

// All rows of `p.a`, k numbers of each from `from` on, as tiles: those of the same rows one after the other.
inline void tiles_of(const Product<float>& p, Size from, Size k, Size heights) {
    const float* a = p.a + from * p.column;
    for (Size i = 0; i < k; i += 32) {
        if (p.column != 1 && i + 32 < k) fetch(a + (i + 32) * p.column, p.column, k - i - 32 < 32 ? k - i - 32 : 32, p.m * Size(sizeof(float)));
        for (Size h = 0; h < heights; h++) {
            const Size first = h * tile_rows, height = p.m - first < tile_rows ? p.m - first : tile_rows;
            float* to = p.workspace + (h * whole_units(k) / 32 + i / 32) * tile_words;
            tile_of(to, a + first * p.row + i * p.column, p.row, p.column, height, k - i);
        }
    }
}

// Some columns for the rows whose tiles are in the workspace, from those of number `low` on to `high`.
void multiply_tiles(const Product<float>& p, Size from, Size depth, Size low, Size high, Shape& shape) {
    const Size tiles = whole_units(depth) / 32, words = Halves::words(p.k);
    const float* init = from ? p.c : p.init;
    const Size ldi = from ? p.ldc : p.ldi;
    for (Size group = 0; group < p.groups; group++)
        for (Size left = 0; left < p.n; left += 2 * tile_columns) {
            const Size columns = p.n - left < 2 * tile_columns ? p.n - left : 2 * tile_columns;
            const Size start = left / panel<float> * panel<float>;  // of the panel
            const Size at = group * p.jump + left, step = padded<float>(p.n - start < panel<float> ? p.n - start : panel<float>);
            for (Size h = low; h < high; h += 2) {
                const Size first = h * tile_rows, rest = p.m - first;
                shape.use(rest < 16 ? rest : 16, rest < 16 ? 0 : rest < 32 ? rest - 16 : 16);
                const float* a = p.workspace + h * tiles * tile_words;
                const Corner corner{p.c + first * p.ldc + at, p.ldc, init ? init + first * ldi + at : nullptr, ldi, a,
                                    a + tiles * tile_words,
                                    p.packed + (group * p.jump + start) * words + from / 2 * step + (left - start), step, tiles,
                                    p.c + (h + 2 < high ? (h + 2) * tile_rows * p.ldc + at : at + 2 * tile_columns)};
                if (columns % tile_columns)
                    edge_corner(corner, shape, columns);
                else
                    any_corner(corner, shape, columns > tile_columns);
            }
        }
}

void multiply_on_tiles(const Product<float>& p) {
    Shape shape;
    in_blocks(p, tiles_together * tile_rows, tile_rows, [&](const Product<float>& some) {
        const Size heights = (some.m + tile_rows - 1) / tile_rows;
        for (Size from = 0; from < p.k; from += half_depth) {
            const Size depth = p.k - from < half_depth ? p.k - from : half_depth;
            tiles_of(some, from, depth, heights);
            const Size whole = some.m / (2 * tile_rows) * 2;  // the others need tiles of another shape
            if (whole) multiply_tiles(some, from, depth, 0, whole, shape);
            if (whole < heights) multiply_tiles(some, from, depth, whole, heights, shape);
        }
    });
    _tile_release();
}

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
