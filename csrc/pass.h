// A pass: its stages one after the other, each divided among the threads.
#pragma once
#include "kernels.h"
#include "unrolled.h"

namespace unrolled {

template <class T>
void run(const Kernels<T>& kernels, int threads, const unrolled_pass& pass);

}  // namespace unrolled
