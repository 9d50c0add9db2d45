#include "list.h"

#include <algorithm>
#include <set>
#include <utility>

namespace unrolled {
namespace {

constexpr int64_t tallest = 96, shortest = 6;
constexpr int64_t cache = 256 << 10;  // bytes of registers that a block may fill: they shall stay in the second cache
constexpr int64_t some = 3072;        // elements that are enough to forget the cost of dispatching an instruction

// Where something is written and read: two values in different places never overlap.
using Spot = std::pair<int64_t, int64_t>;

Spot spot(const unrolled_value& value) {
    return value.kind == UNROLLED_REGISTER ? Spot{UNROLLED_REGISTER, 0} : Spot{value.kind, value.buffer};
}

std::vector<bool> waiting(const unrolled_pass& pass, const std::vector<unrolled_instruction>& instructions) {
    std::vector<bool> waits(instructions.size());
    std::set<Spot> written, read;  // by products, since all threads waited for each other
    for (int round = 0; round < 2; round++) {  // the second time after a step
        for (size_t n = 0; n < instructions.size(); n++) {
            const unrolled_instruction& i = instructions[n];
            const Spot out = spot(pass.values[i.out]);
            const bool reads = is_product(i) && written.count(spot(pass.values[i.args[2]]));
            if (reads || read.count(out) || waits[n]) {
                waits[n] = true;
                written.clear();
                read.clear();
            }
            if (is_product(i)) read.insert(spot(pass.values[i.args[2]]));
            written.insert(out);
        }
        std::set<Spot> later;  // what is after one step is before the next; what is of a step is not met again
        for (const Spot& each : written) {
            if (each.first == UNROLLED_AFTER) later.insert({UNROLLED_BEFORE, each.second});
            if (each.first == UNROLLED_BATCH || each.first == UNROLLED_REGISTER) later.insert(each);
        }
        written = later;
        std::set<Spot> still;
        for (const Spot& each : read)
            if (each.first == UNROLLED_BATCH || each.first == UNROLLED_REGISTER) still.insert(each);
        read = still;
    }
    return waits;
}

}  // namespace

List::List(const unrolled_pass& pass, const unrolled_stage& stage, int64_t element)
    : instructions(pass.instructions + stage.first, pass.instructions + stage.first + stage.count),
      registers(stage.registers),
      block(tallest),
      strip(tallest),
      products(0),
      weights(0) {
    if (registers) block = std::clamp(cache / (registers * element) / shortest * shortest, shortest, tallest);
    for (const unrolled_instruction& i : instructions) {
        const int64_t columns = pass.values[i.out].columns;
        if (is_product(i)) {
            const int64_t size = columns * pass.values[i.args[2]].columns;
            products += double(size);
            weights += size;
        } else {
            strip = std::min(strip, std::max(shortest, some / std::max<int64_t>(columns, 1)));
        }
    }
    if (stage.segment > 0) waits = waiting(pass, instructions);
}

}  // namespace unrolled
