// Products with packed matrices. Part of kernels.cpp, which says what UNROLLED_NAME and UNROLLED_VECTORS are.
#pragma once
#include "kernels.h"
#include "lanes.h"

#include <string.h>

namespace unrolled {
namespace UNROLLED_NAME {
namespace {

template <class T>
constexpr Size panel = UNROLLED_VECTORS * width<T>;
constexpr Size tallest = 6;    // rows of a tile: 6 · UNROLLED_VECTORS accumulators fit the registers
constexpr Size deepest = 128;  // rows of a panel that stay in the first cache while all tiles pass
constexpr Size together = 96;  // rows of c that stay in the second cache while all panels pass
constexpr Size line = 64;      // bytes that come from memory at once

// Weights are packed as they are, of type T, or as bf16, the upper half of a float, of type Half: then the lanes of a vector
// hold two neighbouring vectors of columns, one in the lower halves and one in the upper ones.
using Half = uint16_t;

// Columns that a panel of `columns` <= panel columns takes.
template <class T, class W>
constexpr Size padded(Size columns) {
    constexpr Size unit = width<T> * Size(sizeof(T) / sizeof(W));
    return (columns + unit - 1) / unit * unit;
}

template <class T, class W>
Size packed_size(Size k, Size n) {
    return k * (n / panel<T> * panel<T> + padded<T, W>(n % panel<T>));
}

inline Half rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return Half(bits >> 16 | 0x40);
    return Half((bits + 0x7fff + (bits >> 16 & 1)) >> 16);  // to nearest, ties to even
}

template <class T>
inline void put(T* row, Size column, T value) {
    row[column] = value;
}

template <class T>
inline void put(Half* row, Size column, T value) {
    const Size pair = 2 * width<T>, at = column % pair;
    row[column / pair * pair + at % width<T> * 2 + at / width<T>] = rounded(value);
}

template <class T, class W>
void pack(W* packed, const T* data, Size row, Size column, Size k, Size n) {
    const Size whole = n / panel<T>, rest = n % panel<T>, last = padded<T, W>(rest);
    W* tail = packed + whole * k * panel<T>;
    if (rest < last) memset(tail, 0, size_t(k * last) * sizeof(W));
    if (column == 1) {  // row by row, as they lie in memory
        for (Size i = 0; i < k; i++, data += row)
            for (Size p = 0; p <= whole; p++) {
                W* to = p < whole ? packed + (p * k + i) * panel<T> : tail + i * last;
                const Size count = p < whole ? panel<T> : rest;
                if constexpr (sizeof(W) == sizeof(T))
                    memcpy(to, data + p * panel<T>, size_t(count) * sizeof(T));
                else
                    for (Size j = 0; j < count; j++) put<T>(to, j, data[p * panel<T> + j]);
            }
    } else {  // column by column, which is where a transposed matrix has its neighbours
        for (Size j = 0; j < n; j++) {
            const Size p = j / panel<T>, step = p < whole ? panel<T> : last;
            W* to = packed + p * k * panel<T>;
            const T* from = data + j * column;
            for (Size i = 0; i < k; i++) put<T>(to + i * step, j % panel<T>, from[i * row]);
        }
    }
}

// The vectors of one row of a panel, the even one and the one after it.
template <class T>
inline void unpack(const T* from, V<T>& even, V<T>& odd) {
    even = load(from);
    odd = load(from + width<T>);
}

inline void unpack(const Half* from, V<float>& even, V<float>& odd) {
    I<float> both;
    memcpy(&both, from, sizeof both);
    even = (V<float>)(both << 16);
    odd = (V<float>)(both & ~0xffff);
}

// One call of a tile: c = init + a · packed for some rows and a block of `k` rows of the packed matrix. Its panels are
// `distance` apart and their rows `step`, those of c `apart`. `ahead` is what the processor may fetch meanwhile, a line for each row of the block.
template <class T, class W>
struct Tile {
    T* c;
    Size ldc;
    const T* init;
    Size ldi;
    const T* a;
    Size row, column;
    const W* packed;
    Size step, distance, apart, k, columns;
    const char* ahead;
};

#define UNROLLED_ALL _Pragma("GCC unroll 32")

// Where vector v of a tile begins, if its panels of `Vectors` vectors are `distance` apart.
template <class T, int Vectors>
inline Size place(int v, Size distance) {
    return (v / Vectors) * distance + (v % Vectors) * width<T>;
}

// M rows times `Panels` panels of `Vectors` vectors, all of them in registers.
template <class T, class W, int M, int Panels, int Vectors = UNROLLED_VECTORS>
inline void tile(const Tile<T, W>& t) {
    constexpr int vectors = Vectors * Panels;
    V<T> sum[M][vectors];
    if (t.init) {
        UNROLLED_ALL for (int m = 0; m < M; m++) {
            UNROLLED_ALL for (int v = 0; v < vectors; v++) sum[m][v] = load(t.init + m * t.ldi + place<T, Vectors>(v, t.apart));
        }
    } else {
        UNROLLED_ALL for (int m = 0; m < M; m++) {
            UNROLLED_ALL for (int v = 0; v < vectors; v++) sum[m][v] = V<T>{};
        }
    }
    const T* a = t.a;
    const W* packed = t.packed;
    const Size row = t.row, column = t.column, step = t.step, distance = t.distance;
    const char* ahead = t.ahead;
    _Pragma("GCC unroll 2") for (Size i = t.k; i > 0; i--, a += column, packed += step, ahead += line) {
        __builtin_prefetch(ahead, 0, 2);
        V<T> b[vectors];
        if constexpr (vectors == 1 && sizeof(W) == sizeof(T)) {
            b[0] = load(packed);
        } else {
            // an odd vector at the end of whole weights stands alone
            UNROLLED_ALL for (int v = 0; v + 1 < vectors; v += 2) unpack(packed + place<T, Vectors>(v, distance), b[v], b[v + 1]);
            if constexpr (vectors % 2) b[vectors - 1] = load(packed + place<T, Vectors>(vectors - 1, distance));
        }
        UNROLLED_ALL for (int m = 0; m < M; m++) {
            T x = a[m * row];
            UNROLLED_ALL for (int v = 0; v < vectors; v++) sum[m][v] += x * b[v];
        }
    }
    T* const c = t.c;
    const Size ldc = t.ldc, apart = t.apart;
    UNROLLED_ALL for (int m = 0; m < M; m++) {
        UNROLLED_ALL for (int v = 0; v < vectors; v++) store(c + m * ldc + place<T, Vectors>(v, apart), sum[m][v]);
    }
}

// The last panel where it has fewer columns: if it ends inside a vector then in a copy, of which only the columns that exist
// are written back.
template <class T, class W, int M, int Vectors>
inline void edge_tile(Tile<T, W> t) {
    if (t.columns == Vectors * width<T>) return tile<T, W, M, 1, Vectors>(t);
    constexpr Size step = Vectors * width<T>;
    T copy[M * step] = {};
    if (t.init)
        for (int m = 0; m < M; m++) memcpy(copy + m * step, t.init + m * t.ldi, size_t(t.columns) * sizeof(T));
    T* c = t.c;
    const Size ldc = t.ldc;
    t.init = t.c = copy;
    t.ldi = t.ldc = step;
    tile<T, W, M, 1, Vectors>(t);
    for (int m = 0; m < M; m++) memcpy(c + m * ldc, copy + m * step, size_t(t.columns) * sizeof(T));
}

template <class T, class W, int M, int Vectors = int(sizeof(T) / sizeof(W))>
inline void any_edge(const Tile<T, W>& t) {
    constexpr int more = Vectors + int(sizeof(T) / sizeof(W));
    if constexpr (more <= UNROLLED_VECTORS)
        if (t.columns > Vectors * width<T>) return any_edge<T, W, M, more>(t);
    edge_tile<T, W, M, Vectors>(t);
}

template <class T, class W, int M>
void tiles(const Tile<T, W>& t, Size panels) {
    if (t.columns < panels * panel<T>)
        any_edge<T, W, M>(t);
    else if (panels == 4)
        tile<T, W, M, (M == 1 ? 4 : 1)>(t);
    else if (panels == 2)
        tile<T, W, M, (M <= 2 ? 2 : 1)>(t);
    else
        tile<T, W, M, 1>(t);
}

// Memory that will be read soon, from `data` on: what is left of it.
template <class T>
struct Soon {
    const T* data;
    Size count;

    // The next lines, one for each of `rows`; `other` when all are on their way.
    const char* next(Size rows, const char* other) {
        if (count <= 0) return other;
        const char* here = reinterpret_cast<const char*>(data);
        data += rows * line / Size(sizeof(T));
        count -= rows * line / Size(sizeof(T));
        return here;
    }
};

// All columns for few rows, which are split evenly into tiles.
template <class T, class W>
void multiply_rows(const Product<T>& p, Soon<T>& soon) {
    using Tiles = void (*)(const Tile<T, W>&, Size);
    static constexpr Tiles by_height[] = {nullptr,        tiles<T, W, 1>, tiles<T, W, 2>, tiles<T, W, 3>,
                                          tiles<T, W, 4>, tiles<T, W, 5>, tiles<T, W, 6>};
    const W* packed = static_cast<const W*>(p.packed);
    const Size most = p.m == 1 ? 4 : p.m == 2 ? 2 : 1;  // few rows need more panels to keep the multipliers busy
    const Size count = (p.m + tallest - 1) / tallest;
    // groups of one panel each are taken together like the panels of one group
    const bool narrow = p.groups > 1 && p.n == panel<T>;
    const Size groups = narrow ? 1 : p.groups, n = narrow ? p.groups * panel<T> : p.n;
    const Size apart = narrow ? p.jump : panel<T>, distance = apart * (p.stride ? 1 : p.k);
    for (Size group = 0; group < groups; group++) {
        for (Size low = 0; low < n;) {
            Size panels = most;
            while (panels > 1 && low + panels * panel<T> > n) panels /= 2;
            const Size columns = n - low < panels * panel<T> ? n - low : panels * panel<T>;
            const Size at = group * p.jump + low / panel<T> * apart;
            const Size step = p.stride ? p.stride : columns < panel<T> ? padded<T, W>(columns) : panel<T>;
            for (Size from = 0; from < p.k || from == 0; from += deepest) {
                const Size depth = p.k - from < deepest ? p.k - from : deepest;
                const T* init = from ? p.c : p.init;
                const Size ldi = from ? p.ldc : p.ldi;
                const W* block = packed + at * (p.stride ? 1 : p.k) + from * step;
                const W* next = block + (from + depth < p.k ? depth * step : distance * panels);
                for (Size t = 0; t < count; t++) {
                    const Size first = t * p.m / count, height = (t + 1) * p.m / count - first;
                    const char* ahead = reinterpret_cast<const char*>(next) + t * depth * line;
                    by_height[height]({p.c + first * p.ldc + at, p.ldc, init ? init + first * ldi + at : nullptr, ldi,
                                       p.a + first * p.row + from * p.column, p.row, p.column, block, step, distance, apart, depth,
                                       columns, soon.next(depth, ahead)},
                                      panels);
                }
            }
            low += columns;
        }
    }
}

template <class T, class W>
void multiply(const Product<T>& p) {
    const Size blocks = (p.m + together - 1) / together;
    Soon<T> soon{p.soon, p.soon_count};
    for (Size b = 0; b < blocks; b++) {
        const Size first = b * p.m / blocks;
        Product<T> some = p;
        some.m = (b + 1) * p.m / blocks - first;
        some.c += first * p.ldc;
        some.a += first * p.row;
        if (p.init) some.init += first * p.ldi;
        multiply_rows<T, W>(some, soon);
    }
}

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
