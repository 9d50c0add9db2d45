// Whether a pass can run: nothing that it says may lead beyond the memory that the caller has.
#pragma once
#include <cstdint>

#include "unrolled.h"

namespace unrolled {

// Why not, in words; nullptr if it can. `panel` is that of the kernels, `element` the bytes of a number.
const char* refusal(const unrolled_pass& pass, int64_t panel, int64_t element);

// The same for a pass that writes.
const char* refusal(const unrolled_pass& pass, const unrolled_writing& writing, int64_t panel, int64_t element);

}  // namespace unrolled
