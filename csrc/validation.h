// Whether a pass can run: nothing that it says may lead beyond the memory that the caller has.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "unrolled.h"

namespace unrolled {

// How many elements a packed matrix (k, n) has, by what its buffer holds; null where that cannot be.
using PackedSizes = std::array<std::ptrdiff_t (*)(std::ptrdiff_t k, std::ptrdiff_t n), 4>;

// Why not, in words; nullptr if it can. `packed_sizes` are those of the kernels, `element` the bytes of a number.
const char* refusal(const unrolled_pass& pass, const PackedSizes& packed_sizes, int64_t element);

// The same for a pass that writes.
const char* refusal(const unrolled_pass& pass, const unrolled_writing& writing, const PackedSizes& packed_sizes, int64_t element);

}  // namespace unrolled
