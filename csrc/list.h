// What can be known of an instruction list before it runs, the same for all threads and steps.
#pragma once
#include <cstdint>
#include <vector>

#include "unrolled.h"

namespace unrolled {

inline bool is_product(const unrolled_instruction& i) { return i.op == UNROLLED_MULTIPLY; }
inline bool is_elementwise(const unrolled_instruction& i) { return i.op >= 0 && i.op < UNROLLED_MULTIPLY; }
inline int arguments(const unrolled_instruction& i) {
    const bool one = i.op <= UNROLLED_OP_within || i.op == UNROLLED_SUM || i.op == UNROLLED_SOFTMAX || i.op == UNROLLED_ONE_HOT;
    return is_product(i) ? 3 : one ? 1 : 2;
}

constexpr int64_t alone = 0;  // instead of a segment: the first thread computes all columns

struct List {
    List(const unrolled_pass& pass, const unrolled_stage& stage, int64_t panel, int64_t element);

    std::vector<unrolled_instruction> instructions;
    int64_t registers;
    int64_t block;  // rows that the list runs over at once
    int64_t strip;  // of these, rows that the instructions between two products run over at once
    // Where threads share rows: the segments of which each of them computes its columns; and before which instructions
    // they wait, so that nobody reads what another has not written yet, or overwrites what another still reads.
    std::vector<int64_t> segments;
    std::vector<bool> waits;
    double products;  // multiplications for one row
    int64_t weights;  // elements of all packed matrices
};

}  // namespace unrolled
