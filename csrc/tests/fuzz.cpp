// Passes made at random, for the sanitizers: right ones must give the same bits however many threads run them, and wrong
// ones must be refused without touching memory that is not theirs. All buffers are of exactly the size that is told.
//
//   fuzz [PASSES [SEED [WRONG]]]     WRONG: how many wrong ones are made of each pass
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../unrolled.h"

namespace {

using Random = std::mt19937_64;

int64_t pick(Random& random, int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }

void fail(const char* what) {
    std::printf("FAILED: %s (%s)\n", what, unrolled_refusal());
    std::exit(1);
}

// A pass and its memory. The recurrence is one with everything in it: a projection, a loop with products, reductions and
// elementwise operations, then sums over all rows.
struct Example {
    int64_t batch, steps, rows = 0, x, h, symbols;
    int32_t element;
    std::vector<int64_t> batch_sizes, ids;
    std::vector<std::unique_ptr<char[]>> memory;
    std::vector<unrolled_buffer> buffers;
    std::vector<unrolled_value> values;
    std::vector<unrolled_instruction> instructions;
    std::vector<unrolled_stage> stages;
    std::vector<std::pair<int32_t, size_t>> results;  // buffer and bytes

    Example(Random& random, const unrolled_how& how) : element(how.dtype_bytes) {
        const bool large = pick(random, 0, 9) == 0;  // large enough for threads that share columns
        batch = pick(random, large ? 1 : 0, large ? 3 : 9);
        steps = pick(random, 0, large ? 3 : 6);
        h = large ? 256 : pick(random, 1, 70);
        x = pick(random, 1, 9);
        symbols = pick(random, 1, 5);
        const bool ragged = pick(random, 0, 1) == 1;
        for (int64_t t = 0, size = batch; t < steps; t++) {
            if (ragged && t) size = pick(random, 0, size);
            batch_sizes.push_back(size);
            rows += size;
        }
        for (int64_t r = 0; r < rows; r++) ids.push_back(pick(random, 0, symbols - 1));
        fill(random, how);
    }

    template <class T>
    int32_t buffer(Random& random, int64_t count, int64_t stride, bool writable, T*) {
        memory.emplace_back(new char[size_t(count) * sizeof(T)]);
        T* data = reinterpret_cast<T*>(memory.back().get());
        for (int64_t i = 0; i < count; i++) data[i] = writable ? T(NAN) : T(double(pick(random, -1000, 1000)) / 4000);
        buffers.push_back({data, count, stride, 1, UNROLLED_NUMBERS, writable});
        return int32_t(buffers.size() - 1);
    }

    int32_t numbers(Random& random, int64_t count, int64_t stride, bool writable) {
        const int32_t made = element == 4 ? buffer(random, count, stride, writable, static_cast<float*>(nullptr))
                                          : buffer(random, count, stride, writable, static_cast<double*>(nullptr));
        if (writable) results.push_back({made, size_t(count) * size_t(element)});
        return made;
    }

    int32_t value(int32_t kind, int32_t in, int64_t rows_, int64_t columns, int64_t start = 0, double number = 0) {
        values.push_back({kind, in, rows_, columns, start, number});
        return int32_t(values.size() - 1);
    }

    void emit(int32_t op, int32_t out, int32_t a, int32_t b = 0, int32_t c = 0, double low = 0, double high = 0) {
        instructions.push_back({op, out, {a, b, c}, 0, low, high});
    }

    void stage(int32_t kind, int64_t first, int64_t registers) {
        stages.push_back({kind, 0, 0, 0, first, int64_t(instructions.size()) - first, registers});
    }

    int32_t packed(Random& random, const unrolled_how& how, int64_t rows_, int64_t columns) {
        const int32_t matrix = value(UNROLLED_MATRIX, numbers(random, rows_ * columns, columns, false), rows_, columns);
        const int32_t holds[] = {UNROLLED_NUMBERS, UNROLLED_HALVES, UNROLLED_QUARTERS};
        const int32_t held = element == 4 ? holds[pick(random, 0, 2)] : UNROLLED_NUMBERS;
        const int64_t size = unrolled_packed_size(&how, held, rows_, columns);
        const int32_t in = numbers(random, size, size, true);
        results.pop_back();  // how it looks is the instruction set's own matter
        buffers[size_t(in)].holds = held;
        const int32_t out = value(UNROLLED_PACKED, in, rows_, columns);
        stages.push_back({UNROLLED_PACK, out, matrix, 0, 0, 0, 0});
        return out;
    }

    void fill(Random& random, const unrolled_how& how) {
        const int32_t input = value(UNROLLED_STEP, numbers(random, rows * x, x, false), 0, x);
        buffers.push_back({ids.data(), rows, 1, 1, UNROLLED_SYMBOLS, 0});
        const int32_t symbol = value(UNROLLED_IDS, int32_t(buffers.size() - 1), symbols, 1);
        const int32_t bias = value(UNROLLED_ROW, numbers(random, h, h, false), 0, h);
        const int32_t table = value(UNROLLED_MATRIX, numbers(random, symbols * h, h, false), symbols, h);
        const int32_t states = numbers(random, (batch + rows) * h, h, true);
        if (element == 4)
            std::memset(buffers[size_t(states)].data, 0, size_t(batch * h) * sizeof(float));
        else
            std::memset(buffers[size_t(states)].data, 0, size_t(batch * h) * sizeof(double));
        const int32_t before = value(UNROLLED_BEFORE, states, 0, h), after = value(UNROLLED_AFTER, states, 0, h);
        const int32_t wide = numbers(random, rows * 2 * h, 2 * h, true);
        const int32_t left = value(UNROLLED_STEP, wide, 0, h), right = value(UNROLLED_STEP, wide, 0, h, h);
        const int32_t carried = numbers(random, batch * h, h, true);
        if (batch) std::memset(buffers[size_t(carried)].data, 0, size_t(batch * h) * size_t(element));
        const int32_t carry = value(UNROLLED_BATCH, carried, 0, h);
        const int32_t zero = value(UNROLLED_NUMBER, 0, 0, 1), half = value(UNROLLED_NUMBER, 0, 0, 1, 0, 0.5);
        const int32_t one = value(UNROLLED_REGISTER, 0, 0, h), two = value(UNROLLED_REGISTER, 0, 0, h, h);
        const int32_t small = value(UNROLLED_REGISTER, 0, 0, 1, 2 * h);
        const int32_t U = packed(random, how, x, h), W = packed(random, how, h, h);

        emit(UNROLLED_MULTIPLY, after, bias, U, input);
        emit(UNROLLED_LOOKUP, left, table, symbol);
        emit(UNROLLED_OP_add, after, after, left);
        stage(UNROLLED_ROWS, 0, 0);

        const int64_t loop = int64_t(instructions.size());
        emit(UNROLLED_MULTIPLY, after, after, W, before);
        emit(UNROLLED_OP_tanh, after, after);
        emit(UNROLLED_OP_sigmoid, one, after);
        emit(UNROLLED_OP_mul, two, one, carry);
        emit(UNROLLED_DOT, small, one, after);
        emit(UNROLLED_OP_mul, two, two, small);
        emit(UNROLLED_SOFTMAX, one, two);
        emit(UNROLLED_SUM, small, one, 0, 0, 1.0);
        emit(UNROLLED_OP_copy, right, two);
        emit(UNROLLED_MULTIPLY, one, zero, W, two);
        emit(UNROLLED_OP_add, carry, one, half);
        emit(int32_t(pick(random, 0, UNROLLED_OP_within)), left, after, 0, 0, 2.0, 3.0);
        stage(pick(random, 0, 1) ? UNROLLED_FORWARD : UNROLLED_BACKWARD, loop, 2 * h + 1);

        const int32_t outer = value(UNROLLED_MATRIX, numbers(random, h * x, x, true), h, x);
        const bool halves = element == 4 && pick(random, 0, 1);
        stages.push_back({halves ? UNROLLED_OUTER_HALVES : UNROLLED_OUTER, outer, right, input, 0, 0, 0});
        stages.push_back({UNROLLED_TOTAL, value(UNROLLED_ROW, numbers(random, h, h, true), 0, h), right, 0, 0, 0, 0});
        const int32_t by_symbol = value(UNROLLED_MATRIX, numbers(random, symbols * h, h, true), symbols, h);
        stages.push_back({UNROLLED_SCATTER, by_symbol, right, symbol, 0, 0, 0});
    }

    unrolled_pass pass() const {
        return {buffers.data(),           values.data(),           instructions.data(),           stages.data(),
                batch_sizes.data(),       int64_t(buffers.size()), int64_t(values.size()),        int64_t(instructions.size()),
                int64_t(stages.size()),   steps,                   batch};
    }

    std::vector<std::string> bytes() const {
        std::vector<std::string> found;
        for (const auto& [index, size] : results) found.emplace_back(static_cast<char*>(buffers[size_t(index)].data), size);
        return found;
    }
};

// Something in a table becomes something else. Addresses, lengths and what they hold stay: they are the caller's promise.
void corrupt(Random& random, Example& example) {
    const auto any = [&](auto& items) -> auto& { return items[size_t(pick(random, 0, int64_t(items.size()) - 1))]; };
    const auto change = [&](auto& number) {
        using N = std::decay_t<decltype(number)>;
        const int64_t odd[] = {-1, 0, 1, 2, 63, 64, 65, 1 << 20, INT32_MAX, INT64_MAX, INT64_MIN};
        number = pick(random, 0, 1) ? N(odd[pick(random, 0, 10)]) : N(uint64_t(number) + uint64_t(pick(random, -3, 3)));
    };
    auto& value = any(example.values);
    auto& instruction = any(example.instructions);
    auto& stage = any(example.stages);
    auto& buffer = any(example.buffers);
    switch (pick(random, 0, 20)) {
        case 0: return change(value.kind);
        case 1: return change(value.buffer);
        case 2: return change(value.rows);
        case 3: return change(value.columns);
        case 4: return change(value.start);
        case 5: return change(instruction.op);
        case 6: return change(instruction.out);
        case 7: return change(instruction.args[0]);
        case 8: return change(instruction.args[1]);
        case 9: return change(instruction.args[2]);
        case 10: return change(stage.stage);
        case 11: return change(stage.out);
        case 12: return change(stage.left);
        case 13: return change(stage.right);
        case 14: return change(stage.first);
        case 15: return change(stage.count);
        case 16: stage.registers = pick(random, -2, 200); return;
        case 17: return change(instruction.segment);
        case 18: return change(buffer.stride);
        case 19: return change(buffer.across);
        case 20:
            if (!example.batch_sizes.empty()) any(example.batch_sizes) += pick(random, -2, 2);
            return;
    }
}

}  // namespace

int main(int count, char** arguments) {
    const int64_t passes = count > 1 ? std::atoll(arguments[1]) : 2000;
    Random random(count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1);
    const int64_t wrongs = count > 3 ? std::atoll(arguments[3]) : 20;
    std::vector<std::string> isas;
    std::string names = unrolled_isas();
    for (size_t at = 0; at <= names.size();) {
        const size_t end = std::min(names.find(' ', at), names.size());
        isas.push_back(names.substr(at, end - at));
        at = end + 1;
    }
    int64_t refused = 0;
    for (int64_t n = 0; n < passes; n++) {
        const std::string& isa = isas[size_t(n) % isas.size()];
        unrolled_how how{isa.c_str(), pick(random, 0, 1) ? 4 : 8, 1};
        const uint64_t seed = random();
        std::vector<std::string> expected;
        for (int threads : {1, 2, 3}) {
            Random same(seed);
            Example example(same, how);
            how.threads = threads;
            const unrolled_pass pass = example.pass();
            if (unrolled_run(&how, &pass) != UNROLLED_OK) fail("a right pass was refused");
            if (threads == 1)
                expected = example.bytes();
            else if (expected != example.bytes())
                fail("the number of threads changes a result");
        }
        for (int64_t wrong = 0; wrong < wrongs; wrong++) {
            Random same(seed);
            Example example(same, how);
            for (int64_t changes = pick(random, 1, 3); changes > 0; changes--) corrupt(random, example);
            const unrolled_pass pass = example.pass();
            const int32_t status = unrolled_run(&how, &pass);
            if (status != UNROLLED_OK && status != UNROLLED_BAD_ARGUMENT) fail("an unexpected status");
            refused += status != UNROLLED_OK;
        }
    }
    std::printf("%lld passes under %s; of %lld wrong ones %lld refused, the others harmless\n", (long long)passes,
                names.c_str(), (long long)(passes * wrongs), (long long)refused);
    return 0;
}
