// Nothing that is computed for a row depends on another row, and no sum is divided among threads: their number, and how
// they share the work, change no bit of a result.
#include "pass.h"

#include <atomic>
#include <memory>
#include <vector>

#include "interpreter.h"
#include "processor.h"
#include "sampler.h"
#include "sums.h"
#include "threads.h"

namespace unrolled {
namespace {

constexpr double little = 1e5;               // multiplications of a pass below which one thread is faster
constexpr double little_of_step = 32768;     // of a step, below which threads that share its columns would mostly wait
constexpr int64_t few = 24;                    // rows of one thread that are not enough to hide the reading of weights
constexpr int64_t second_cache = 1536 << 10; // bytes of weights that stay near one processor

template <class T>
class Pass {
  public:
    Pass(const Kernels<T>& kernels, int threads, const unrolled_pass& pass)
        : k(kernels), pass(pass), values(locations<T>(pass)), threads(threads), barrier(threads) {
        for (int64_t t = 0; t < pass.steps; t++) rows += pass.batch_sizes[t];
        dense = rows == pass.batch * pass.steps;
        double products = 0;
        int64_t registers = 0;
        lists.reserve(size_t(pass.stage_count));  // interpreters refer to them
        for (int64_t s = 0; s < pass.stage_count; s++) {
            const unrolled_stage& stage = pass.stages[s];
            lists.emplace_back(pass, stage, k.panel, int64_t(sizeof(T)));
            products += lists.back().products * double(rows);
            registers = std::max(registers, lists.back().block * stage.registers);
            if (stage.stage == UNROLLED_OUTER || stage.stage == UNROLLED_OUTER_HALVES)
                products += double(columns(stage.left)) * double(columns(stage.right)) * double(rows);
        }
        if (products < little) this->threads = 1;
        // multiples of what comes from memory at once, so that no two threads write to the same line
        registers_each = apart(registers);
        scratch_each = apart(scratch());
        workspace.reset(new T[size_t((registers_each + scratch_each) * (this->threads + 1))]);
        const auto address = reinterpret_cast<uintptr_t>(workspace.get());
        aligned = workspace.get() + (64 - address % 64) % 64 / sizeof(T);
        for (int64_t s = 0; s < pass.stage_count; s++) interpreters.push_back(interpreters_of(pass.stages[s], lists[size_t(s)]));
    }

    void run() {
        Barrier between(threads);
        parallel(threads, [&](int part) {
            NoDenormals here;
            for (int64_t s = 0; s < pass.stage_count; s++) {
                if (s && !alike(pass.stages[s - 1], pass.stages[s])) between.wait();
                run(pass.stages[s], interpreters[size_t(s)], part);
            }
        });
    }

    // The stage of a pass that writes, and how often.
    bool write(const Kernels<double>& exact, const unrolled_writing& writing, int64_t* ids) {
        const int64_t streams = pass.batch, symbols = columns(writing.logits), all = writing.given + writing.count;
        const T* logits = data(writing.logits);
        const int64_t stride = values[size_t(writing.logits)].stride;
        std::vector<Interpreter<T>>& with = interpreters[0];
        const bool shared = with.front().shares_rows();
        std::vector<Sampler> samplers(with.size(), Sampler(exact, writing, symbols));
        std::atomic<bool> finite{true};
        Barrier between(int(with.size()));
        parallel(int(with.size()), [&](int part) {
            NoDenormals here;
            const Share mine(streams, 1, part, int(with.size()));
            const Rows rows{0, 0, 0, shared ? 0 : mine.low, 1, shared ? streams : mine.high - mine.low};
            std::vector<bool> stopped(size_t(mine.high - mine.low));
            for (int64_t t = 0; t < all && finite; t++) {
                const int64_t n = t - writing.given;  // symbols drawn so far
                for (int64_t s = mine.low; s < mine.high; s++) {
                    if (n < 0) {
                        ids[s] = writing.read[t * streams + s];
                        continue;
                    }
                    double probability = 0;
                    int64_t symbol = -1;
                    if (!stopped[size_t(s - mine.low)]) {
                        const double u = draw(writing.seed, writing.numbers[s], writing.positions[s] + uint64_t(n));
                        symbol = samplers[size_t(part)].choose(logits + s * stride, u, probability);
                        if (symbol < 0) finite = false;
                        stopped[size_t(s - mine.low)] = symbol == writing.stop;
                    }
                    writing.drawn[n * streams + s] = symbol;
                    writing.probabilities[n * streams + s] = probability;
                    ids[s] = std::max<int64_t>(symbol, 0);
                }
                if (t == all - 1 && n >= 0) return;  // the last one is drawn, not read
                if (shared) between.wait();
                with[size_t(part)].run(rows);
                if (shared) between.wait();
            }
        });
        return finite;
    }

  private:
    int64_t columns(int32_t value) const { return pass.values[value].columns; }
    T* data(int32_t value) const { return values[size_t(value)].data; }
    // A value as sums see it: with a row for each row of the packed sequences, or the same row again and again.
    template <class U>
    Matrix<U> matrix(int32_t value) const {
        const auto& here = values[size_t(value)];
        switch (pass.values[value].kind) {
            case UNROLLED_ROW: return {here.data, 0, columns(value)};
            case UNROLLED_NUMBER: return {const_cast<T*>(&here.number), 0, columns(value)};
            case UNROLLED_AFTER: return {here.data + pass.batch * here.stride, here.stride, columns(value)};
            default: return {here.data, here.stride, columns(value)};
        }
    }
    static int64_t apart(int64_t elements) { return (elements + 127) / 64 * 64; }
    T* scratch_of(int part) const { return aligned + scratch_each * part; }
    // Those that all threads share follow those of the threads.
    T* registers_of(int part) const { return aligned + scratch_each * (threads + 1) + registers_each * part; }

    // Elements that products and sums of one thread need.
    int64_t scratch() const {
        int64_t most = 256;
        for (int64_t s = 0; s < pass.stage_count; s++) {
            if (pass.stages[s].stage == UNROLLED_OUTER) most = std::max(most, outer_workspace(k));
            if (pass.stages[s].stage == UNROLLED_OUTER_HALVES) most = std::max(most, outer_halves_workspace(k));
        }
        for (int64_t v = 0; v < pass.value_count; v++)
            if (pass.values[v].kind == UNROLLED_PACKED)
                most = std::max(most, int64_t(k.packing(values[size_t(v)].holds).workspace(pass.values[v].rows)));
        return most;
    }

    // Those of the threads that take part; where they share rows they also share registers.
    std::vector<Interpreter<T>> interpreters_of(const unrolled_stage& stage, const List& list) {
        std::vector<Interpreter<T>> made;
        if (list.instructions.empty()) return made;
        const bool loop = stage.stage != UNROLLED_ROWS, shared = loop && by_columns(list);
        const int parts = loop && !shared ? int(std::max<int64_t>(1, std::min<int64_t>(threads, pass.batch))) : threads;
        for (int part = 0; part < parts; part++)
            made.emplace_back(k, pass, values, list, registers_of(shared ? threads : part), scratch_of(part), shared ? Part{part, parts} : Part{0, 1},
                              &barrier);
        return made;
    }

    static bool sums(const unrolled_stage& stage) { return stage.stage >= UNROLLED_OUTER; }
    // Neither of the two reads what the other writes.
    static bool alike(const unrolled_stage& one, const unrolled_stage& other) {
        return (one.stage == UNROLLED_PACK && other.stage == UNROLLED_PACK) || (sums(one) && sums(other));
    }

    void run(const unrolled_stage& stage, std::vector<Interpreter<T>>& with, int part) {
        switch (stage.stage) {
            case UNROLLED_PACK: return pack(stage, part);
            case UNROLLED_ROWS: return all_rows(with, part);
            case UNROLLED_FORWARD:
            case UNROLLED_BACKWARD: return loop(stage, with, part);
            case UNROLLED_OUTER:
            case UNROLLED_OUTER_HALVES:
                return (stage.stage == UNROLLED_OUTER ? outer<T> : outer_halves<T>)(
                    k, matrix<T>(stage.out), matrix<const T>(stage.left), matrix<const T>(stage.right), rows, scratch_of(part), part,
                    threads);
            case UNROLLED_TOTAL:
                return total<T>(k, data(stage.out), matrix<const T>(stage.left), rows, scratch_of(part), part, threads);
            case UNROLLED_SCATTER:
                return scatter<T>(k, matrix<T>(stage.out), pass.values[stage.out].rows, matrix<const T>(stage.left),
                                  reinterpret_cast<const int64_t*>(data(stage.right)),
                                  values[size_t(stage.right)].stride, rows, part, threads);
        }
    }

    void pack(const unrolled_stage& stage, int part) {
        const auto& from = values[size_t(stage.left)];
        const int64_t depth = pass.values[stage.left].rows;
        const Share mine(columns(stage.left), k.panel, part, threads);
        const auto& packing = k.packing(values[size_t(stage.out)].holds);
        packing.pack(data(stage.out) + mine.low * packing.words(depth), from.data + mine.low * from.across, from.stride,
                     from.across, depth, mine.high - mine.low);
    }

    void all_rows(std::vector<Interpreter<T>>& with, int part) {
        if (with.empty()) return;
        const Share mine(rows, 1, part, threads);
        with[size_t(part)].run({0, pass.batch, 0, mine.low, 1, mine.high - mine.low});
    }

    void loop(const unrolled_stage& stage, std::vector<Interpreter<T>>& with, int part) {
        if (part >= int(with.size())) return;
        const bool shared = with.front().shares_rows();
        steps(stage, with[size_t(part)], shared ? 0 : part, shared ? 1 : int(with.size()));
    }

    // Where the batch is smaller than two rows for each thread, or the weights are too many for one processor's cache.
    bool by_columns(const List& list) const {
        if (threads < 2 || list.products * double(pass.batch) < little_of_step) return false;
        return pass.batch < 2 * threads || (list.weights * int64_t(sizeof(T)) > second_cache && pass.batch < few * threads);
    }

    // Rows that lie side by side where all sequences are of one length, else every parts-th, so that all threads get
    // as many steps: long sequences come first.
    void steps(const unrolled_stage& stage, Interpreter<T>& interpreter, int part, int parts) {
        const bool backward = stage.stage == UNROLLED_BACKWARD;
        int64_t offset = backward ? rows : 0;
        for (int64_t n = 0; n < pass.steps; n++) {
            const int64_t t = backward ? pass.steps - 1 - n : n, size = pass.batch_sizes[t];
            if (backward) offset -= size;
            const int64_t before = t ? pass.batch + offset - pass.batch_sizes[t - 1] : 0;
            Rows at{offset, pass.batch + offset, before, part, parts, size > part ? (size - part + parts - 1) / parts : 0};
            if (dense) {
                const Share mine(size, 1, part, parts);
                at = {offset, pass.batch + offset, before, mine.low, 1, mine.high - mine.low};
            }
            interpreter.run(at);
            if (!backward) offset += size;
        }
    }

    const Kernels<T>& k;
    const unrolled_pass& pass;
    const std::vector<Location<T>> values;
    int threads;
    Barrier barrier;
    std::vector<List> lists;
    std::vector<std::vector<Interpreter<T>>> interpreters;  // of each stage, those of the threads
    int64_t rows = 0;                               // of the packed sequences
    int64_t registers_each = 0, scratch_each = 0;  // elements of a thread
    bool dense = true;
    std::unique_ptr<T[]> workspace;
    T* aligned = nullptr;
};

}  // namespace

template <class T>
void run(const Kernels<T>& kernels, int threads, const unrolled_pass& pass) {
    Pass<T>(kernels, threads, pass).run();
}

template <class T>
bool write(const Kernels<T>& kernels, const Kernels<double>& exact, int threads, const unrolled_pass& pass,
           const unrolled_writing& writing, int64_t* ids) {
    return !pass.batch || Pass<T>(kernels, threads, pass).write(exact, writing, ids);
}

template bool write<float>(const Kernels<float>&, const Kernels<double>&, int, const unrolled_pass&, const unrolled_writing&,
                           int64_t*);
template bool write<double>(const Kernels<double>&, const Kernels<double>&, int, const unrolled_pass&,
                            const unrolled_writing&, int64_t*);
template void run<float>(const Kernels<float>&, int, const unrolled_pass&);
template void run<double>(const Kernels<double>&, int, const unrolled_pass&);

}  // namespace unrolled
