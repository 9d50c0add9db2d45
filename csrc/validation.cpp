#include "validation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "list.h"

namespace unrolled {
namespace {

using Wide = __int128;

constexpr int64_t most_buffers = 1 << 12, most_values = 1 << 16, most_instructions = 1 << 16, most_stages = 1 << 12;
constexpr int64_t most_columns = 1 << 24;
constexpr int64_t most = int64_t(1) << 44;  // rows, elements, distances: no product of two of them overflows 128 bits

bool within(int64_t value, int64_t low, int64_t high) { return low <= value && value <= high; }

struct Refusal {
    const char* why;
};

void require(bool holds, const char* why) {
    if (!holds) throw Refusal{why};
}

class Validation {
  public:
    Validation(const unrolled_pass& pass, const PackedSizes& packed_sizes, int64_t element)
        : pass(pass), packed_sizes(packed_sizes), element(element) {}

    void run() {
        counts();
        sizes();
        for (int64_t b = 0; b < pass.buffer_count; b++) buffer(pass.buffers[b]);
        overlaps();
        for (int64_t v = 0; v < pass.value_count; v++) value(pass.values[v]);
        for (int64_t s = 0; s < pass.stage_count; s++) stage(pass.stages[s]);
    }

    void writes(const unrolled_writing& w) const {
        require(pass.stage_count == 1 && pass.stages[0].stage == UNROLLED_FORWARD && pass.stages[0].count && pass.steps == 1 &&
                    rows == pass.batch,
                "what writes is one step forward of all streams");
        const unrolled_value &ids = at(w.ids), &logits = at(w.logits);
        require(is_one_of(ids, UNROLLED_IDS) && is_one_of(logits, UNROLLED_BATCH) && logits.columns <= ids.rows,
                "these are no symbols and their logits");
        require(within(w.given, 0, most) && within(w.count, 0, most) && (w.given || !w.count),
                "something must be read before something is written");
        require((w.read || !w.given) && ((w.drawn && w.probabilities && w.numbers && w.positions) || !w.count),
                "a table is missing");
        require(w.temperature >= 0 && w.temperature <= 1e300 && w.top_p > 0 && w.top_p <= 1 && w.top_k >= 0,
                "temperature, top_p or top_k is out of range");
        for (int64_t i = 0; i < w.given * pass.batch; i++)
            require(within(w.read[i], 0, ids.rows - 1), "an id that is to be read is no symbol");
    }

  private:
    void counts() {
        require(within(pass.buffer_count, 0, most_buffers) && within(pass.value_count, 0, most_values) &&
                    within(pass.instruction_count, 0, most_instructions) && within(pass.stage_count, 0, most_stages),
                "too many buffers, values, instructions or stages");
        require((pass.buffers || !pass.buffer_count) && (pass.values || !pass.value_count) &&
                    (pass.instructions || !pass.instruction_count) && (pass.stages || !pass.stage_count) &&
                    (pass.batch_sizes || !pass.steps),
                "a table is missing");
    }

    void sizes() {
        require(within(pass.batch, 0, most) && within(pass.steps, 0, most), "batch or steps are out of range");
        int64_t before = pass.batch;
        for (int64_t t = 0; t < pass.steps; t++) {
            require(within(pass.batch_sizes[t], 0, before), "the batch sizes do not fall");
            before = pass.batch_sizes[t];
            rows += before;
            require(rows <= most, "too many rows");
        }
    }

    void buffer(const unrolled_buffer& b) const {
        require(within(b.length, 0, most) && within(b.stride, 0, most) && within(b.across, 0, most),
                "the length or a stride of a buffer is out of range");
        require(within(b.holds, UNROLLED_NUMBERS, UNROLLED_QUARTERS) && (b.holds == UNROLLED_SYMBOLS || packed_sizes[size_t(b.holds)]),
                "a buffer holds nothing that is known");
        require(!b.length || b.data, "a buffer has no memory");
        require(reinterpret_cast<uintptr_t>(b.data) % uintptr_t(bytes(b)) == 0, "a buffer is not aligned");
        require(b.holds != UNROLLED_SYMBOLS || !b.writable, "symbols are only read");
    }

    int64_t bytes(const unrolled_buffer& b) const { return b.holds == UNROLLED_SYMBOLS ? 8 : element; }

    // No buffer that is written shares memory with another one.
    void overlaps() const {
        std::vector<const unrolled_buffer*> sorted;
        for (int64_t b = 0; b < pass.buffer_count; b++)
            if (pass.buffers[b].length) sorted.push_back(&pass.buffers[b]);
        std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->data < b->data; });
        uintptr_t end = 0, end_of_written = 0;
        for (const unrolled_buffer* b : sorted) {
            const auto begin = reinterpret_cast<uintptr_t>(b->data);
            const uintptr_t after = begin + uintptr_t(b->length * bytes(*b));
            require(after >= begin, "a buffer goes round the end of memory");
            require(begin >= end_of_written && (!b->writable || begin >= end), "a buffer that is written overlaps another one");
            end = std::max(end, after);
            if (b->writable) end_of_written = std::max(end_of_written, after);
        }
    }

    static bool has_buffer(const unrolled_value& v) { return v.kind != UNROLLED_REGISTER && v.kind != UNROLLED_NUMBER; }
    const unrolled_buffer& buffer_of(const unrolled_value& v) const { return pass.buffers[v.buffer]; }

    void value(const unrolled_value& v) const {
        require(within(v.kind, UNROLLED_STEP, UNROLLED_PACKED), "a value is of no known kind");
        require(within(v.columns, 1, most_columns) && within(v.rows, 0, most) && within(v.start, 0, most),
                "the size of a value is out of range");
        require(v.kind != UNROLLED_NUMBER || v.columns == 1, "a number has one column");
        if (!has_buffer(v)) return;
        require(within(v.buffer, 0, pass.buffer_count - 1), "a value is in no buffer");
        const unrolled_buffer& b = buffer_of(v);
        require((b.holds == UNROLLED_SYMBOLS) == (v.kind == UNROLLED_IDS) &&
                    (b.holds < UNROLLED_HALVES || v.kind == UNROLLED_PACKED),
                "a value and its buffer hold different things");
        const int64_t count = rows_of(v);
        if (!count) return;
        require(v.kind == UNROLLED_MATRIX || v.kind == UNROLLED_PACKED || has_rows(v),
                "the columns of a row are no neighbours");
        require(v.kind != UNROLLED_PACKED && v.kind != UNROLLED_IDS ? true : v.start == 0, "a value begins where it cannot");
        Wide last = v.start + Wide(count - 1) * b.stride + Wide(v.columns - 1) * b.across;
        if (v.kind == UNROLLED_IDS) last = Wide(count - 1) * b.stride;
        if (v.kind == UNROLLED_PACKED) {
            const int64_t size = v.rows <= most_columns ? packed_sizes[size_t(b.holds)](v.rows, v.columns) : -1;
            require(size >= 0, "a matrix has too many rows to be packed like this");
            last = size - 1;
        }
        require(last < b.length, "a value reaches beyond its buffer");
    }

    // Do the columns of each row lie side by side?
    bool has_rows(const unrolled_value& v) const { return v.columns == 1 || buffer_of(v).across == 1; }

    // How many rows of its buffer a value may touch.
    int64_t rows_of(const unrolled_value& v) const {
        switch (v.kind) {
            case UNROLLED_STEP:
            case UNROLLED_IDS: return rows;
            case UNROLLED_AFTER:
            case UNROLLED_BEFORE: return pass.batch + rows;
            case UNROLLED_BATCH: return pass.batch;
            case UNROLLED_ROW: return 1;
            default: return v.rows;
        }
    }

    const unrolled_value& at(int32_t index) const {
        require(within(index, 0, pass.value_count - 1), "there is no such value");
        return pass.values[index];
    }

    // Something whose rows an instruction reads as numbers.
    static bool is_vector(const unrolled_value& v) { return v.kind <= UNROLLED_NUMBER; }
    static bool is_one_of(const unrolled_value& v, int32_t kind) { return v.kind == kind; }

    void writable(const unrolled_value& v, int64_t count) const {
        const unrolled_buffer& b = buffer_of(v);
        require(b.writable, "what is written is only to be read");
        require(count <= 1 || v.start + v.columns <= b.stride, "the rows of what is written overlap");
    }

    void stage(const unrolled_stage& s) {
        const bool lists = within(s.stage, UNROLLED_ROWS, UNROLLED_BACKWARD);
        require(lists || (!s.first && !s.count && !s.registers), "this stage has no instructions");
        switch (s.stage) {
            case UNROLLED_PACK: {
                const unrolled_value &out = at(s.out), &left = at(s.left);
                require(is_one_of(out, UNROLLED_PACKED) && is_one_of(left, UNROLLED_MATRIX) && out.rows == left.rows &&
                            out.columns == left.columns && buffer_of(out).writable,
                        "this cannot be packed");
                return;
            }
            case UNROLLED_ROWS:
            case UNROLLED_FORWARD:
            case UNROLLED_BACKWARD: return list(s);
            case UNROLLED_OUTER:
            case UNROLLED_OUTER_HALVES: {
                require(s.stage == UNROLLED_OUTER || packed_sizes[UNROLLED_HALVES], "only floats can be rounded to bf16");
                const unrolled_value &out = at(s.out), &left = at(s.left), &right = at(s.right);
                require(is_one_of(out, UNROLLED_MATRIX) && out.rows == left.columns && out.columns == right.columns &&
                            has_rows(out),
                        "this is no matrix of outer products");
                writable(out, out.rows);
                summand(left);
                return summand(right);
            }
            case UNROLLED_TOTAL: {
                const unrolled_value &out = at(s.out), &left = at(s.left);
                require(is_one_of(out, UNROLLED_ROW) && out.columns == left.columns, "this is no sum of rows");
                writable(out, 1);
                return summand(left);
            }
            case UNROLLED_SCATTER: {
                const unrolled_value &out = at(s.out), &left = at(s.left), &ids = at(s.right);
                require(is_one_of(out, UNROLLED_MATRIX) && is_one_of(ids, UNROLLED_IDS) && out.columns == left.columns &&
                            has_rows(out),
                        "this is no sum of rows by symbol");
                writable(out, out.rows);
                symbols(ids, out.rows);
                return summand(left);
            }
            default: require(false, "there is no such stage");
        }
    }

    static void summand(const unrolled_value& v) {
        require(v.kind == UNROLLED_STEP || v.kind == UNROLLED_AFTER || v.kind == UNROLLED_ROW || v.kind == UNROLLED_NUMBER,
                "what is summed has no row for each row of the sequences");
    }

    void symbols(const unrolled_value& ids, int64_t count) const {
        const unrolled_buffer& b = buffer_of(ids);
        const auto* data = static_cast<const int64_t*>(b.data);
        for (int64_t r = 0; r < rows; r++) require(within(data[r * b.stride], 0, count - 1), "an id is no symbol");
    }

    void list(const unrolled_stage& s) {
        require(within(s.first, 0, pass.instruction_count) && within(s.count, 0, pass.instruction_count - s.first),
                "there are no such instructions");
        require(within(s.registers, 0, most_columns), "there are too many registers");
        written.clear();
        for (int64_t i = s.first; i < s.first + s.count; i++) instruction(pass.instructions[i], s);
    }

    void instruction(const unrolled_instruction& i, const unrolled_stage& s) {
        require(within(i.op, 0, UNROLLED_ONE_HOT), "there is no such operation");
        for (int n = 0; n < arguments(i); n++) read(at(i.args[n]), s);
        const unrolled_value& out = at(i.out);
        require(out.kind == UNROLLED_STEP || out.kind == UNROLLED_AFTER || out.kind == UNROLLED_BATCH ||
                    out.kind == UNROLLED_REGISTER,
                "an instruction writes to what it cannot");
        place(out, s);
        if (out.kind != UNROLLED_REGISTER) writable(out, rows_of(out));
        shapes(i, out);
        require(i.segment >= 0 && (!i.segment || out.columns % i.segment == 0), "threads cannot share these columns");
        if (out.kind == UNROLLED_REGISTER) written.push_back({out.start, out.start + out.columns});
    }

    // Whether a value exists in a list of this kind.
    static void place(const unrolled_value& v, const unrolled_stage& s) {
        require(s.stage != UNROLLED_ROWS || (v.kind != UNROLLED_BATCH && v.kind != UNROLLED_BEFORE),
                "what goes from step to step is met in a loop only");
        require(v.kind != UNROLLED_REGISTER || Wide(v.start) + v.columns <= s.registers, "there are not so many registers");
    }

    void read(const unrolled_value& v, const unrolled_stage& s) const {
        place(v, s);
        if (v.kind != UNROLLED_REGISTER) return;
        for (int64_t column = v.start; column < v.start + v.columns;) {
            const auto covers = [&](const auto& each) { return each.first <= column && column < each.second; };
            const auto found = std::find_if(written.begin(), written.end(), covers);
            require(found != written.end(), "a register is read before it is written");
            column = found->second;
        }
    }

    void shapes(const unrolled_instruction& i, const unrolled_value& out) const {
        const auto argument = [&](int n) -> const unrolled_value& { return pass.values[i.args[n]]; };
        const auto fits = [&](const unrolled_value& v) {
            return is_vector(v) && (v.columns == out.columns || v.columns == 1);
        };
        bool good = false;
        if (is_elementwise(i)) {
            good = fits(argument(0)) && (arguments(i) == 1 || fits(argument(1)));
        } else if (is_product(i)) {
            const unrolled_value &matrix = argument(1), &vector = argument(2);
            good = fits(argument(0)) && is_one_of(matrix, UNROLLED_PACKED) && is_vector(vector) &&
                   vector.kind != UNROLLED_NUMBER && matrix.rows == vector.columns && matrix.columns == out.columns &&
                   !overlap(out, vector);
        } else if (i.op == UNROLLED_SUM) {
            good = out.columns == 1 && is_vector(argument(0));
        } else if (i.op == UNROLLED_DOT) {
            good = out.columns == 1 && is_vector(argument(0)) && is_vector(argument(1)) &&
                   argument(0).columns == argument(1).columns;
        } else if (i.op == UNROLLED_SOFTMAX) {
            good = is_vector(argument(0)) && argument(0).columns == out.columns;
        } else if (i.op == UNROLLED_LOOKUP) {
            const unrolled_value &table = argument(0), &ids = argument(1);
            good = is_one_of(table, UNROLLED_MATRIX) && is_one_of(ids, UNROLLED_IDS) && table.columns == out.columns &&
                   has_rows(table);
            if (good) symbols(ids, table.rows);
        } else if (i.op == UNROLLED_ONE_HOT) {
            good = is_one_of(argument(0), UNROLLED_IDS);
            if (good) symbols(argument(0), out.columns);
        }
        require(good, "the operands of an instruction do not fit");
    }

    static bool overlap(const unrolled_value& a, const unrolled_value& b) {
        return a.kind == b.kind && (a.kind == UNROLLED_REGISTER || a.buffer == b.buffer) &&
               a.start < b.start + b.columns && b.start < a.start + a.columns;
    }

    const unrolled_pass& pass;
    const PackedSizes packed_sizes;
    const int64_t element;
    int64_t rows = 0;
    std::vector<std::pair<int64_t, int64_t>> written;  // columns of registers
};

}  // namespace

namespace {

template <class F>
const char* why_not(F check) {
    try {
        check();
        return nullptr;
    } catch (const Refusal& found) {
        return found.why;
    }
}

}  // namespace

const char* refusal(const unrolled_pass& pass, const PackedSizes& packed_sizes, int64_t element) {
    return why_not([&] { Validation(pass, packed_sizes, element).run(); });
}

const char* refusal(const unrolled_pass& pass, const unrolled_writing& writing, const PackedSizes& packed_sizes, int64_t element) {
    return why_not([&] {
        Validation validation(pass, packed_sizes, element);
        validation.run();
        validation.writes(writing);
    });
}

}  // namespace unrolled
