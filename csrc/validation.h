// Whether a pass can run: nothing that it says may lead beyond the memory that the caller has.
#pragma once
#include <cstddef>
#include <cstdint>

#include "unrolled.h"

namespace unrolled {

using PackedSize = std::ptrdiff_t (*)(std::ptrdiff_t k, std::ptrdiff_t n);

// Why not, in words; nullptr if it can. `packed_size` is that of the kernels, `element` the bytes of a number.
const char* refusal(const unrolled_pass& pass, PackedSize packed_size, int64_t element);

// The same for a pass that writes.
const char* refusal(const unrolled_pass& pass, const unrolled_writing& writing, PackedSize packed_size, int64_t element);

}  // namespace unrolled
