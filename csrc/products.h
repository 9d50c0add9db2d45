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

template <class T>
void pack(T* packed, const T* data, Size row, Size column, Size k, Size n) {
    for (Size low = 0; low < n; low += panel<T>, packed += k * panel<T>) {
        Size count = n - low < panel<T> ? n - low : panel<T>;
        for (Size i = 0; i < k; i++) {
            T* to = packed + i * panel<T>;
            const T* from = data + i * row + low * column;
            if (column == 1)
                memcpy(to, from, size_t(count) * sizeof(T));
            else
                for (Size j = 0; j < count; j++) to[j] = from[j * column];
            memset(to + count, 0, size_t(panel<T> - count) * sizeof(T));
        }
    }
}

// M rows times `Panels` panels, all of them in registers.
template <class T, int M, int Panels>
inline void tile(T* c, Size ldc, const T* a, Size row, Size column, const T* packed, Size distance, Size k) {
    constexpr int vectors = UNROLLED_VECTORS * Panels;
    V<T> sum[M][vectors];
    for (int m = 0; m < M; m++)
        for (int v = 0; v < vectors; v++) sum[m][v] = load(c + m * ldc + v * width<T>);
    for (Size i = 0; i < k; i++) {
        V<T> b[vectors];
        for (int v = 0; v < vectors; v++)
            b[v] = load(packed + (v / UNROLLED_VECTORS) * distance + i * panel<T> + (v % UNROLLED_VECTORS) * width<T>);
        for (int m = 0; m < M; m++) {
            T x = a[m * row + i * column];
            for (int v = 0; v < vectors; v++) sum[m][v] += x * b[v];
        }
    }
    for (int m = 0; m < M; m++)
        for (int v = 0; v < vectors; v++) store(c + m * ldc + v * width<T>, sum[m][v]);
}

// The same where c ends inside the panel: in a copy, of which only the columns that exist are written back.
template <class T, int M>
inline void edge_tile(T* c, Size ldc, const T* a, Size row, Size column, const T* packed, Size k, Size columns) {
    T copy[M * panel<T>] = {};
    for (int m = 0; m < M; m++) memcpy(copy + m * panel<T>, c + m * ldc, size_t(columns) * sizeof(T));
    tile<T, M, 1>(copy, panel<T>, a, row, column, packed, 0, k);
    for (int m = 0; m < M; m++) memcpy(c + m * ldc, copy + m * panel<T>, size_t(columns) * sizeof(T));
}

// All panels of a block of `k` <= deepest rows of the packed matrix, for m rows that are split evenly into tiles.
template <class T, int M>
void tiles(T* c, Size ldc, const T* a, Size row, Size column, const T* packed, Size distance, Size k, Size columns,
           Size panels) {
    if (columns < panels * panel<T>)
        edge_tile<T, M>(c, ldc, a, row, column, packed, k, columns);
    else if (panels == 4)
        tile<T, M, (M == 1 ? 4 : 1)>(c, ldc, a, row, column, packed, distance, k);
    else if (panels == 2)
        tile<T, M, (M <= 2 ? 2 : 1)>(c, ldc, a, row, column, packed, distance, k);
    else
        tile<T, M, 1>(c, ldc, a, row, column, packed, distance, k);
}

template <class T>
void multiply_block(T* c, Size ldc, const T* a, Size row, Size column, const T* packed, Size m, Size k, Size n) {
    using Tiles = void (*)(T*, Size, const T*, Size, Size, const T*, Size, Size, Size, Size);
    static constexpr Tiles by_height[] = {nullptr,     tiles<T, 1>, tiles<T, 2>, tiles<T, 3>,
                                          tiles<T, 4>, tiles<T, 5>, tiles<T, 6>};
    const Size distance = k * panel<T>;
    const Size most = m == 1 ? 4 : m == 2 ? 2 : 1;  // few rows need more panels to keep the multipliers busy
    const Size count = (m + tallest - 1) / tallest;
    for (Size from = 0; from < k; from += deepest) {
        Size depth = k - from < deepest ? k - from : deepest;
        for (Size low = 0; low < n;) {
            Size panels = most;
            while (panels > 1 && low + panels * panel<T> > n) panels /= 2;
            Size columns = n - low < panels * panel<T> ? n - low : panels * panel<T>;
            const T* block = packed + (low / panel<T>) * distance + from * panel<T>;
            for (Size t = 0; t < count; t++) {
                Size first = t * m / count, height = (t + 1) * m / count - first;
                by_height[height](c + first * ldc + low, ldc, a + first * row + from * column, row, column, block,
                                  distance, depth, columns, panels);
            }
            low += columns;
        }
    }
}

template <class T>
void multiply(T* c, Size ldc, const T* a, Size row, Size column, const T* packed, Size m, Size k, Size n) {
    const Size blocks = (m + together - 1) / together;
    for (Size b = 0; b < blocks; b++) {
        Size first = b * m / blocks, height = (b + 1) * m / blocks - first;
        multiply_block(c + first * ldc, ldc, a + first * row, row, column, packed, height, k, n);
    }
}

}  // namespace
}  // namespace UNROLLED_NAME
}  // namespace unrolled
