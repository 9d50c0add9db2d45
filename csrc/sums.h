// Sums over all rows. Threads divide the columns of the result, never the rows: each sum is made by one thread.
#pragma once
#include <algorithm>
#include <cstring>

#include "kernels.h"

namespace unrolled {

// The share [low, high) of `part` out of `parts`, in steps of `unit`.
struct Share {
    Share(int64_t count, int64_t unit, int part, int parts)
        : low(std::min(count, (count + unit - 1) / unit * part / parts * unit)),
          high(std::min(count, (count + unit - 1) / unit * (part + 1) / parts * unit)) {}
    int64_t low, high;
};

template <class T>
struct Matrix {
    T* data;
    int64_t stride, columns;
};

constexpr int64_t outer_depth = 128;  // rows that are summed at once
constexpr int64_t outer_near = 128;
constexpr int64_t outer_height = 256, outer_width = 512;
constexpr int64_t outer_narrow = outer_height + 16;  // no power of two, whose rows would all fall into a few cache sets

template <class T>
int64_t outer_workspace(const Kernels<T>& kernels) {
    return (outer_width + kernels.panel) * outer_depth + outer_narrow * outer_depth;
}

// out <- sum over rows r of left[r] right[r]^T.
template <class T>
void outer(const Kernels<T>& k, Matrix<T> out, Matrix<const T> left, Matrix<const T> right, int64_t rows, T* workspace,
           int part, int parts) {
    const Share mine(left.columns, 6, part, parts);
    T* packed = workspace;
    T* copy = workspace + (outer_width + k.panel) * outer_depth;
    const int64_t blocks = (mine.high - mine.low + outer_height - 1) / outer_height;
    for (int64_t b = 0; b < blocks; b++) {
        const Share tall(mine.high - mine.low, 6, int(b), int(blocks));
        const int64_t low = mine.low + tall.low, height = tall.high - tall.low;
        for (int64_t column = 0; column < right.columns; column += outer_width) {
            const int64_t width = std::min(outer_width, right.columns - column);
            T* to = out.data + low * out.stride + column;
            for (int64_t from = 0; from < rows || from == 0; from += outer_depth) {
                const int64_t depth = std::min(outer_depth, rows - from);
                const T *here = right.data + from * right.stride + column, *soon = here + depth * right.stride;
                // rows that are near each other need no packing
                const bool ready = width % k.panel == 0 && right.stride <= outer_near;
                if (!ready) k.whole.pack(packed, here, right.stride, 1, depth, width);
                k.copy(copy, outer_narrow, {left.data + from * left.stride + low, std::ptrdiff_t(left.stride), false}, depth,
                       height, 0, 0);
                Product<T> product{to, out.stride, from ? to : nullptr, out.stride, copy, 1, outer_narrow,
                                   ready ? here : packed, height, depth, width};
                product.stride = ready ? right.stride : 0;
                product.soon = soon;
                product.soon_count = from + depth < rows && right.stride <= outer_width ? depth * right.stride : 0;
                k.whole.multiply(product);
            }
        }
    }
}

constexpr int64_t halves_depth = 512;
constexpr int64_t halves_width = 512;

inline int64_t outer_halves_workspace(const Kernels<float>& k) {
    return k.halves.words(halves_depth) * (halves_width + k.panel) + k.halves.workspace(halves_depth);
}
inline int64_t outer_halves_workspace(const Kernels<double>&) { return 0; }

// The same of numbers rounded to bf16. The products round and copy what they multiply.
template <class T>
void outer_halves(const Kernels<T>& k, Matrix<T> out, Matrix<const T> left, Matrix<const T> right, int64_t rows, T* workspace,
                  int part, int parts) {
    const Share mine(left.columns, 16, part, parts);
    if (mine.low == mine.high) return;
    T* packed = workspace + k.halves.workspace(halves_depth);
    for (int64_t column = 0; column < right.columns; column += halves_width) {
        const int64_t width = std::min(halves_width, right.columns - column);
        T* to = out.data + mine.low * out.stride + column;
        for (int64_t from = 0; from < rows; from += halves_depth) {
            const int64_t depth = std::min(halves_depth, rows - from);
            k.halves.pack(packed, right.data + from * right.stride + column, right.stride, 1, depth, width);
            Product<T> product{to, out.stride, from ? to : nullptr, out.stride, left.data + from * left.stride + mine.low, 1,
                               left.stride, packed, mine.high - mine.low, depth, width};
            product.workspace = workspace;
            k.halves.multiply(product);
        }
        if (!rows)
            for (int64_t r = 0; r < mine.high - mine.low; r++) std::fill_n(to + r * out.stride, width, T(0));
    }
}

// out <- the sum of the rows; one chain of additions over all of them would lose digits.
template <class T>
void total(const Kernels<T>& k, T* out, Matrix<const T> in, int64_t rows, T* workspace, int part, int parts) {
    constexpr int64_t depth = 256, unit = 64;
    const Share mine(in.columns, 16, part, parts);
    for (int64_t low = mine.low; low < mine.high; low += unit) {
        const std::ptrdiff_t columns = std::min(unit, mine.high - low);
        std::fill(out + low, out + low + columns, T(0));
        for (int64_t from = 0; from < rows; from += depth) {
            std::fill(workspace, workspace + columns, T(0));
            k.add(workspace, 0, {workspace, 0, false}, {in.data + from * in.stride + low, std::ptrdiff_t(in.stride), false},
                  std::min(depth, rows - from), columns);
            k.add(out + low, 0, {out + low, 0, false}, {workspace, 0, false}, 1, columns);
        }
    }
}

// Row ids[r] of out <- the sum of the rows r of in.
template <class T>
void scatter(const Kernels<T>& k, Matrix<T> out, int64_t symbols, Matrix<const T> in, const int64_t* ids,
             int64_t ids_stride, int64_t rows, int part, int parts) {
    const Share mine(in.columns, 16, part, parts);
    const std::ptrdiff_t columns = mine.high - mine.low;
    for (int64_t s = 0; s < symbols; s++) std::fill_n(out.data + s * out.stride + mine.low, columns, T(0));
    for (int64_t r = 0; r < rows; r++) {
        T* to = out.data + ids[r * ids_stride] * out.stride + mine.low;
        k.add(to, 0, {to, 0, false}, {in.data + r * in.stride + mine.low, 0, false}, 1, columns);
    }
}

}  // namespace unrolled
