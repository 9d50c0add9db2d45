#include "list.h"

#include <algorithm>

namespace unrolled {
namespace {

constexpr int64_t tallest = 96, shortest = 6;
constexpr int64_t cache = 256 << 10;  // bytes of registers that a block may fill: they shall stay in the second cache
constexpr int64_t some = 3072;        // elements that are enough to forget the cost of dispatching an instruction
constexpr int64_t everything = -1;    // instead of a segment: each thread reads all columns

// How threads that share rows divide the columns of an instruction's result.
int64_t segment_of(const unrolled_pass& pass, const unrolled_instruction& i, int64_t panel) {
    const int64_t columns = pass.values[i.out].columns;
    const int64_t segment = i.segment ? i.segment : columns;
    if (is_product(i)) return segment % panel ? columns : segment;
    return is_elementwise(i) && columns > 1 ? segment : alone;
}

// Some columns, and how threads divide them.
struct Access {
    int32_t kind, buffer;
    int64_t start, end, segment;
    bool writes;

    Access(const unrolled_value& value, int64_t segment, bool writes)
        : kind(value.kind),
          buffer(value.kind == UNROLLED_REGISTER ? 0 : value.buffer),
          start(value.start),
          end(value.start + value.columns),
          segment(segment),
          writes(writes) {}

    // May one thread write what another reads or writes here?
    bool conflicts(const Access& other) const {
        if (kind != other.kind || buffer != other.buffer || start >= other.end || other.start >= end) return false;
        if (!writes && !other.writes) return false;
        if (segment != other.segment || segment == everything) return true;
        return segment != alone && (start - other.start) % segment != 0;
    }
};

std::vector<Access> accesses(const unrolled_pass& pass, const unrolled_instruction& i, int64_t segment) {
    std::vector<Access> found;
    const unrolled_value& out = pass.values[i.out];
    for (int n = 0; n < arguments(i); n++) {
        const unrolled_value& value = pass.values[i.args[n]];
        const bool vector = is_product(i) && n == 2, spread = value.columns == 1 && out.columns != 1;
        if (value.kind <= UNROLLED_BATCH || value.kind == UNROLLED_REGISTER)
            found.emplace_back(value, segment == alone ? alone : vector || spread ? everything : segment, false);
    }
    found.emplace_back(out, segment, true);
    return found;
}

std::vector<bool> waiting(const unrolled_pass& pass, const List& list) {
    std::vector<bool> waits(list.instructions.size());
    std::vector<Access> done;  // since all threads waited for each other
    for (int round = 0; round < 2; round++) {  // the second time after a step
        for (size_t n = 0; n < list.instructions.size(); n++) {
            const std::vector<Access> now = accesses(pass, list.instructions[n], list.segments[n]);
            const auto any = [&](const Access& a) {
                return std::any_of(done.begin(), done.end(), [&](const Access& b) { return a.conflicts(b); });
            };
            if (waits[n] || std::any_of(now.begin(), now.end(), any)) {
                waits[n] = true;
                done.clear();
            }
            done.insert(done.end(), now.begin(), now.end());
        }
        std::vector<Access> later;  // what is after one step is before the next; what is of a step is not met again
        for (Access each : done) {
            if (each.kind == UNROLLED_AFTER && each.writes) each.kind = UNROLLED_BEFORE;
            else if (each.kind != UNROLLED_BATCH && each.kind != UNROLLED_REGISTER) continue;
            later.push_back(each);
        }
        done = later;
    }
    return waits;
}

}  // namespace

List::List(const unrolled_pass& pass, const unrolled_stage& stage, int64_t panel, int64_t element)
    : instructions(pass.instructions + stage.first, pass.instructions + stage.first + stage.count),
      registers(stage.registers),
      block(tallest),
      strip(tallest),
      products(0),
      weights(0) {
    if (registers) block = std::clamp(cache / (registers * element) / shortest * shortest, shortest, tallest);
    for (const unrolled_instruction& i : instructions) {
        const int64_t columns = pass.values[i.out].columns;
        segments.push_back(segment_of(pass, i, panel));
        if (is_product(i)) {
            const int64_t size = columns * pass.values[i.args[2]].columns;
            products += double(size);
            weights += size;
        } else {
            strip = std::min(strip, std::max(shortest, some / std::max<int64_t>(columns, 1)));
        }
    }
    if (stage.stage != UNROLLED_ROWS) waits = waiting(pass, *this);
}

}  // namespace unrolled
