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
constexpr Size together = 96;  // rows of c that stay in the second cache while all panels pass
constexpr Size line = 64;      // bytes that come from memory at once

// What a packed matrix holds, and how it is multiplied: here as it is; halves.h and quarters.h have other formats. The memory of
// each counts in words, which are numbers of type T. A packed row has a word for each column, with `rows` numbers of it.
template <class T>
struct Whole {
    using Number = T;
    using Sum = V<T>;
    static constexpr int parts = 1;            // in which the numbers of a packed row are met
    static constexpr Size deepest = 128;       // packed rows of a panel that stay in the first cache while all tiles pass
    static constexpr Size words(Size k) { return k; }  // of a column
    static Sum row(const T* packed, int) { return load(packed); }
    static T factor(const T* a) { return *a; }
    static void add(Sum& sum, T factor, Sum row) { sum += factor * row; }
};

// Columns that a panel of `columns` <= panel columns takes.
template <class T>
constexpr Size padded(Size columns) {
    return (columns + width<T> - 1) / width<T> * width<T>;
}

template <class F>
Size packed_size(Size k, Size n) {
    using T = typename F::Number;
    return F::words(k) * (n / panel<T> * panel<T> + padded<T>(n % panel<T>));
}

template <class T>
void pack(T* packed, const T* data, Size row, Size column, Size k, Size n) {
    const Size whole = n / panel<T>, rest = n % panel<T>, last = padded<T>(rest);
    T* tail = packed + whole * k * panel<T>;
    if (rest < last) memset(tail, 0, size_t(k * last) * sizeof(T));
    if (column == 1) {  // row by row, as they lie in memory
        for (Size i = 0; i < k; i++, data += row)
            for (Size p = 0; p <= whole; p++) {
                T* to = p < whole ? packed + (p * k + i) * panel<T> : tail + i * last;
                memcpy(to, data + p * panel<T>, size_t(p < whole ? panel<T> : rest) * sizeof(T));
            }
    } else {  // column by column, which is where a transposed matrix has its neighbours
        for (Size j = 0; j < n; j++) {
            const Size p = j / panel<T>, step = p < whole ? panel<T> : last;
            T* to = packed + p * k * panel<T> + j % panel<T>;
            const T* from = data + j * column;
            for (Size i = 0; i < k; i++) to[i * step] = from[i * row];
        }
    }
}

// One call of a tile: c = init + a · packed for some rows and a block of `k` packed rows. Its panels are `distance` apart and
// their rows `step`, those of c `apart`. `ahead` is what the processor may fetch meanwhile, a line for each row of the block.
template <class T>
struct Tile {
    T* c;
    Size ldc;
    const T* init;
    Size ldi;
    const T* a;
    Size row, column;
    const T* packed;
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
template <class F, int M, int Panels, int Vectors = UNROLLED_VECTORS>
inline void tile(const Tile<typename F::Number>& t) {
    using T = typename F::Number;
    using Sum = typename F::Sum;
    constexpr int vectors = Vectors * Panels;
    Sum sum[M][vectors];
    if (t.init) {
        UNROLLED_ALL for (int m = 0; m < M; m++) {
            UNROLLED_ALL for (int v = 0; v < vectors; v++) memcpy(&sum[m][v], t.init + m * t.ldi + place<T, Vectors>(v, t.apart), sizeof(Sum));
        }
    } else {
        UNROLLED_ALL for (int m = 0; m < M; m++) {
            UNROLLED_ALL for (int v = 0; v < vectors; v++) sum[m][v] = Sum{};
        }
    }
    const T* a = t.a;
    const T* packed = t.packed;
    const Size row = t.row, column = t.column, step = t.step, distance = t.distance;
    const char* ahead = t.ahead;
    _Pragma("GCC unroll 2") for (Size i = t.k; i > 0; i--, packed += step, ahead += line) {
        __builtin_prefetch(ahead, 0, 2);
        UNROLLED_ALL for (int part = 0; part < F::parts; part++, a += column) {
            Sum b[vectors];
            UNROLLED_ALL for (int v = 0; v < vectors; v++) b[v] = F::row(packed + place<T, Vectors>(v, distance), part);
            UNROLLED_ALL for (int m = 0; m < M; m++) {
                const auto x = F::factor(a + m * row);
                UNROLLED_ALL for (int v = 0; v < vectors; v++) F::add(sum[m][v], x, b[v]);
            }
        }
    }
    T* const c = t.c;
    const Size ldc = t.ldc, apart = t.apart;
    UNROLLED_ALL for (int m = 0; m < M; m++) {
        UNROLLED_ALL for (int v = 0; v < vectors; v++) memcpy(c + m * ldc + place<T, Vectors>(v, apart), &sum[m][v], sizeof(Sum));
    }
}

// The last panel where it has fewer columns: if it ends inside a vector then in a copy, of which only the columns that exist
// are written back.
template <class F, int M, int Vectors>
inline void edge_tile(Tile<typename F::Number> t) {
    using T = typename F::Number;
    if (t.columns == Vectors * width<T>) return tile<F, M, 1, Vectors>(t);
    constexpr Size step = Vectors * width<T>;
    T copy[M * step] = {};
    if (t.init)
        for (int m = 0; m < M; m++) memcpy(copy + m * step, t.init + m * t.ldi, size_t(t.columns) * sizeof(T));
    T* c = t.c;
    const Size ldc = t.ldc;
    t.init = t.c = copy;
    t.ldi = t.ldc = step;
    tile<F, M, 1, Vectors>(t);
    for (int m = 0; m < M; m++) memcpy(c + m * ldc, copy + m * step, size_t(t.columns) * sizeof(T));
}

template <class F, int M, int Vectors = 1>
inline void any_edge(const Tile<typename F::Number>& t) {
    if constexpr (Vectors < UNROLLED_VECTORS)
        if (t.columns > Vectors * width<typename F::Number>) return any_edge<F, M, Vectors + 1>(t);
    edge_tile<F, M, Vectors>(t);
}

template <class F, int M>
void tiles(const Tile<typename F::Number>& t, Size panels) {
    if (t.columns < panels * panel<typename F::Number>)
        any_edge<F, M>(t);
    else if (panels == 4)
        tile<F, M, (M == 1 ? 4 : 1)>(t);
    else if (panels == 2)
        tile<F, M, (M <= 2 ? 2 : 1)>(t);
    else
        tile<F, M, 1>(t);
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

// All columns for few rows, which are split evenly into tiles. p.k counts packed rows, those from `begin` on of the `height`
// ones that a panel has.
template <class F>
void multiply_rows(const Product<typename F::Number>& p, Size begin, Size height, Soon<typename F::Number>& soon) {
    using T = typename F::Number;
    using Tiles = void (*)(const Tile<T>&, Size);
    static constexpr Tiles by_height[] = {nullptr,     tiles<F, 1>, tiles<F, 2>, tiles<F, 3>,
                                          tiles<F, 4>, tiles<F, 5>, tiles<F, 6>};
    const Size most = p.m == 1 ? 4 : p.m == 2 ? 2 : 1;  // few rows need more panels to keep the multipliers busy
    const Size count = (p.m + tallest - 1) / tallest;
    // groups of one panel each are taken together like the panels of one group
    const bool narrow = p.groups > 1 && p.n == panel<T>;
    const Size groups = narrow ? 1 : p.groups, n = narrow ? p.groups * panel<T> : p.n;
    const Size apart = narrow ? p.jump : panel<T>, words = p.stride ? 1 : height, distance = apart * words;
    for (Size group = 0; group < groups; group++) {
        for (Size low = 0; low < n;) {
            Size panels = most;
            while (panels > 1 && low + panels * panel<T> > n) panels /= 2;
            const Size columns = n - low < panels * panel<T> ? n - low : panels * panel<T>;
            const Size at = group * p.jump + low / panel<T> * apart;
            const Size step = p.stride ? p.stride : columns < panel<T> ? padded<T>(columns) : panel<T>;
            for (Size from = 0; from < p.k || from == 0; from += F::deepest) {
                const Size depth = p.k - from < F::deepest ? p.k - from : F::deepest;
                const T* init = from ? p.c : p.init;
                const Size ldi = from ? p.ldc : p.ldi;
                const T* block = p.packed + at * words + (begin + from) * step;
                const T* next = block + (from + depth < p.k ? depth * step : distance * panels);
                for (Size t = 0; t < count; t++) {
                    const Size first = t * p.m / count, tall = (t + 1) * p.m / count - first;
                    const char* ahead = reinterpret_cast<const char*>(next) + t * depth * line;
                    by_height[tall]({p.c + first * p.ldc + at, p.ldc, init ? init + first * ldi + at : nullptr, ldi,
                                       p.a + first * p.row + from * p.column * F::parts, p.row, p.column, block, step, distance,
                                       apart, depth, columns, soon.next(depth, ahead)},
                                      panels);
                }
            }
            low += columns;
        }
    }
}

// Calls work(some rows of p) for all of them, at most `most` at a time, in steps of `unit` rows.
template <class T, class Work>
void in_blocks(const Product<T>& p, Size most, Size unit, Work work) {
    const Size blocks = (p.m + most - 1) / most, units = (p.m + unit - 1) / unit;
    for (Size b = 0; b < blocks; b++) {
        const Size first = b * units / blocks * unit, last = (b + 1) * units / blocks * unit;
        Product<T> some = p;
        some.m = (last < p.m ? last : p.m) - first;
        some.c += first * p.ldc;
        some.a += first * p.row;
        if (p.init) some.init += first * p.ldi;
        work(some);
    }
}

template <class T>
void multiply(const Product<T>& p) {
    Soon<T> soon{p.soon, p.soon_count};
    in_blocks(p, together, 1, [&](const Product<T>& some) { multiply_rows<Whole<T>>(some, 0, p.k, soon); });
}

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
