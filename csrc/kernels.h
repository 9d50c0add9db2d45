// What one instruction set offers: a table of kernels for each dtype. The tables are filled by kernels.cpp, which is
// compiled once per instruction set; isa.cpp picks one table at run time.
#pragma once
#include <cstddef>
#include <cstdint>

#include "unrolled.h"

namespace unrolled {

// A matrix as a kernel reads it. Element (r, j) is data[r * stride + (scalar ? 0 : j)]: a stride of 0 repeats one row
// for all rows, `scalar` repeats the one component of each row for all columns.
template <class T>
struct Operand {
    const T* data;
    std::ptrdiff_t stride;
    bool scalar;
};

// c = init + a · packed, where element (r, i) of a (m, k) is a[r * row + i * column], packed is (k, n), and c has row stride
// ldc. init has row stride ldi, 0 for one row; it may be c itself, or nullptr for zeros. Of c and packed take part `groups`
// times n columns, `jump` columns apart, which is a multiple of the panel. Each element of c is one sum whose order
// is that of i and the packing, whatever m is, so that a row's result depends on no other. The processor may fetch the soon_count
// elements of `soon` meanwhile.
template <class T>
struct Product {
    using Size = std::ptrdiff_t;
    T* c;
    Size ldc;
    const T* init;
    Size ldi;
    const T* a;
    Size row, column;
    const T* packed;
    Size m, k, n;
    Size groups = 1, jump = 0;
    Size stride = 0;  // if positive, `packed` is no packed matrix but one as it lies, in whole panels, with this row stride
    const T* soon = nullptr;
    Size soon_count = 0;
    T* workspace = nullptr;  // as many elements as the packing asks for
};

template <class T>
struct Kernels {
    using Unary = void (*)(T* out, std::ptrdiff_t stride, Operand<T> a, std::ptrdiff_t rows, std::ptrdiff_t columns,
                           T low, T high);
    using Binary = void (*)(T* out, std::ptrdiff_t stride, Operand<T> a, Operand<T> b, std::ptrdiff_t rows,
                            std::ptrdiff_t columns);

    Unary copy, neg, pow, tanh, sigmoid, relu, exp, log, abs, sqrt, softplus, sin, cos, clip, sign, positive, heaviside,
        within;
    Binary add, sub, mul, div, max, min, dtanh, dsigmoid;

    // Of each row: its sum, the sum of its products with another row, and its softmax.
    void (*sum)(T* out, std::ptrdiff_t stride, Operand<T> a, std::ptrdiff_t rows, std::ptrdiff_t columns, T scale);
    void (*dot)(T* out, std::ptrdiff_t stride, Operand<T> a, Operand<T> b, std::ptrdiff_t rows, std::ptrdiff_t columns);
    void (*softmax)(T* out, std::ptrdiff_t stride, Operand<T> a, std::ptrdiff_t rows, std::ptrdiff_t columns);

    // Columns of a packed panel. A packed matrix (k, n) is ceil(n / panel) panels of `panel` columns each, the last one
    // narrower if there are fewer columns, filled up with zeros to whole vectors. Each column takes words(k) elements.
    std::ptrdiff_t panel;

    struct Packing {
        std::ptrdiff_t (*words)(std::ptrdiff_t k);
        std::ptrdiff_t (*size)(std::ptrdiff_t k, std::ptrdiff_t n);
        std::ptrdiff_t (*workspace)(std::ptrdiff_t k);  // elements that a product needs
        // packed <- source, where element (i, j) of the source is data[i * row + j * column].
        void (*pack)(T* packed, const T* data, std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t k, std::ptrdiff_t n);
        void (*multiply)(const Product<T>&);
    };

    // What unrolled_buffer can say that it holds: numbers as they are, rounded to bf16 (as the numbers are that they are
    // multiplied with), or rounded to whole ones of 8 bits with a scale for each column (as the others are with one for each
    // row). The last two for T = float only; null otherwise.
    Packing whole, halves, quarters;

    const Packing& packing(int holds) const {
        return holds == UNROLLED_HALVES ? halves : holds == UNROLLED_QUARTERS ? quarters : whole;
    }
};

struct Isa {
    const char* name;
    Kernels<float> f32;
    Kernels<double> f64;
};

// The kernels for the instruction set of this name; nullptr if there is none, or if this machine lacks it.
const Isa* isa(const char* name);

// The names of those that run on this machine, the best last, separated by spaces.
const char* isas();

}  // namespace unrolled
