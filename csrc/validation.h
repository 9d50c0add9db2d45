// Whether a pass can run: nothing that it says may lead beyond the memory that the caller has.
#pragma once
#include <cstddef>
#include <cstdint>

#include "unrolled.h"

namespace unrolled {

// How many elements a packed matrix (k, n) has, of numbers and of halves; the latter is null where there are none.
struct PackedSize {
    std::ptrdiff_t (*whole)(std::ptrdiff_t k, std::ptrdiff_t n);
    std::ptrdiff_t (*half)(std::ptrdiff_t k, std::ptrdiff_t n);
};

// Why not, in words; nullptr if it can. `packed_size` is that of the kernels, `element` the bytes of a number.
const char* refusal(const unrolled_pass& pass, PackedSize packed_size, int64_t element);

// The same for a pass that writes.
const char* refusal(const unrolled_pass& pass, const unrolled_writing& writing, PackedSize packed_size, int64_t element);

}  // namespace unrolled
