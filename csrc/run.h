// Running instruction lists over rows: of all steps at once, or step by step.
#pragma once
#include "kernels.h"
#include "unrolled.h"

namespace unrolled {

template <class T>
void run_rows(const Kernels<T>& kernels, int threads, const unrolled_list& list, int64_t rows);

template <class T>
void run_loop(const Kernels<T>& kernels, int threads, const unrolled_list& list, const unrolled_loop& loop);

template <class T>
void run_outer(const Kernels<T>& kernels, int threads, T* out, int64_t out_stride, const T* left, int64_t left_stride,
               int64_t m, const T* right, int64_t right_stride, int64_t n, int64_t rows);

template <class T>
void run_total(int threads, T* out, const T* in, int64_t stride, int64_t columns, int64_t rows);

template <class T>
void run_scatter(int threads, T* out, const T* in, int64_t stride, int64_t columns, const int64_t* ids, int64_t rows);

}  // namespace unrolled
