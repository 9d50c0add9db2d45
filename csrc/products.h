// Products with packed matrices. Part of kernels.cpp, which says what UNROLLED_NAME and UNROLLED_VECTORS are.
#pragma once
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

template <class T>
void pack(T* packed, const T* data, Size row, Size column, Size k, Size n) {
    for (Size low = 0; low < n; low += panel<T>, packed += k * panel<T>) {
        Size count = n - low < panel<T> ? n - low : panel<T>;
        const T* from = data + low * column;
        if (column == 1) {
            for (Size i = 0; i < k; i++) memcpy(packed + i * panel<T>, from + i * row, size_t(count) * sizeof(T));
        } else {  // reading along i, where a transposed matrix has its neighbours
            for (Size j = 0; j < count; j++)
                for (Size i = 0; i < k; i++) packed[i * panel<T> + j] = from[i * row + j * column];
        }
        if (count < panel<T>)
            for (Size i = 0; i < k; i++) memset(packed + i * panel<T> + count, 0, size_t(panel<T> - count) * sizeof(T));
    }
}

// One call of a tile: c = init + a · packed for some rows and a block of `k` rows of the packed matrix, whose panels are
// `distance` apart. `ahead` is what the processor may fetch meanwhile, a line for each row of the block.
template <class T>
struct Tile {
    T* c;
    Size ldc;
    const T* init;
    Size ldi;
    const T* a;
    Size row, column;
    const T* packed;
    Size distance, k, columns;
    const char* ahead;
};

// M rows times `Panels` panels, all of them in registers.
template <class T, int M, int Panels>
inline void tile(const Tile<T>& t) {
    constexpr int vectors = UNROLLED_VECTORS * Panels;
    V<T> sum[M][vectors];
    for (int m = 0; m < M; m++)
        for (int v = 0; v < vectors; v++) sum[m][v] = t.init ? load(t.init + m * t.ldi + v * width<T>) : V<T>{};
    const T *a = t.a, *packed = t.packed;
    const char* ahead = t.ahead;
    for (Size i = 0; i < t.k; i++, a += t.column, packed += panel<T>, ahead += line) {
        __builtin_prefetch(ahead, 0, 2);
        V<T> b[vectors];
        for (int v = 0; v < vectors; v++)
            b[v] = load(packed + (v / UNROLLED_VECTORS) * t.distance + (v % UNROLLED_VECTORS) * width<T>);
        for (int m = 0; m < M; m++) {
            T x = a[m * t.row];
            for (int v = 0; v < vectors; v++) sum[m][v] += x * b[v];
        }
    }
    for (int m = 0; m < M; m++)
        for (int v = 0; v < vectors; v++) store(t.c + m * t.ldc + v * width<T>, sum[m][v]);
}

// The same where c ends inside the panel: in a copy, of which only the columns that exist are written back.
template <class T, int M>
inline void edge_tile(Tile<T> t) {
    T copy[M * panel<T>] = {};
    if (t.init)
        for (int m = 0; m < M; m++)
            memcpy(copy + m * panel<T>, t.init + m * t.ldi, size_t(t.columns) * sizeof(T));
    T* c = t.c;
    const Size ldc = t.ldc;
    t.init = t.c = copy;
    t.ldi = t.ldc = panel<T>;
    tile<T, M, 1>(t);
    for (int m = 0; m < M; m++) memcpy(c + m * ldc, copy + m * panel<T>, size_t(t.columns) * sizeof(T));
}

template <class T, int M>
void tiles(const Tile<T>& t, Size panels) {
    if (t.columns < panels * panel<T>)
        edge_tile<T, M>(t);
    else if (panels == 4)
        tile<T, M, (M == 1 ? 4 : 1)>(t);
    else if (panels == 2)
        tile<T, M, (M <= 2 ? 2 : 1)>(t);
    else
        tile<T, M, 1>(t);
}

// For m rows that are split evenly into tiles.
template <class T>
void multiply_rows(T* c, Size ldc, const T* init, Size ldi, const T* a, Size row, Size column, const T* packed, Size m,
                   Size k, Size n) {
    using Tiles = void (*)(const Tile<T>&, Size);
    static constexpr Tiles by_height[] = {nullptr,     tiles<T, 1>, tiles<T, 2>, tiles<T, 3>,
                                          tiles<T, 4>, tiles<T, 5>, tiles<T, 6>};
    const Size distance = k * panel<T>;
    const Size most = m == 1 ? 4 : m == 2 ? 2 : 1;  // few rows need more panels to keep the multipliers busy
    const Size count = (m + tallest - 1) / tallest;
    for (Size from = 0; from < k || from == 0; from += deepest) {
        const Size depth = k - from < deepest ? k - from : deepest;
        const T* before = from ? c : init;
        const Size ldb = from ? ldc : ldi;
        for (Size low = 0; low < n;) {
            Size panels = most;
            while (panels > 1 && low + panels * panel<T> > n) panels /= 2;
            const Size columns = n - low < panels * panel<T> ? n - low : panels * panel<T>;
            const T* block = packed + (low / panel<T>) * distance + from * panel<T>;
            const T* next = low + columns < n ? block + panels * distance : packed + (from + deepest) * panel<T>;
            for (Size t = 0; t < count; t++) {
                const Size first = t * m / count, height = (t + 1) * m / count - first;
                const char* ahead = reinterpret_cast<const char*>(next) + t * depth * line;
                by_height[height]({c + first * ldc + low, ldc, before ? before + first * ldb + low : nullptr, ldb,
                                   a + first * row + from * column, row, column, block, distance, depth, columns, ahead},
                                  panels);
            }
            low += columns;
        }
    }
}

template <class T>
void multiply(T* c, Size ldc, const T* init, Size ldi, const T* a, Size row, Size column, const T* packed, Size m, Size k,
              Size n) {
    const Size blocks = (m + together - 1) / together;
    for (Size b = 0; b < blocks; b++) {
        const Size first = b * m / blocks, height = (b + 1) * m / blocks - first;
        multiply_rows(c + first * ldc, ldc, init ? init + first * ldi : nullptr, ldi, a + first * row, row, column, packed,
                      height, k, n);
    }
}

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
