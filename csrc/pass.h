// A pass: its stages one after the other, each divided among the threads. And writing, a pass again and again.
#pragma once
#include "kernels.h"
#include "unrolled.h"

namespace unrolled {

template <class T>
void run(const Kernels<T>& kernels, int threads, const unrolled_pass& pass);

// A pass of one step again and again, in which each step reads what the one before has written, through `ids`, one symbol
// for each stream; false where a logit was not finite.
template <class T>
bool write(const Kernels<T>& kernels, const Kernels<double>& exact, int threads, const unrolled_pass& pass,
           const unrolled_writing& writing, int64_t* ids);

}  // namespace unrolled
