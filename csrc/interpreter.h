// Running an instruction list over some rows: those that one thread owns, of one step or of all.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "threads.h"
#include "unrolled.h"

namespace unrolled {

// Which rows: row i of a block is row first + i · every of its step. The others say where the step's rows begin: in
// arrays of steps, in those that begin with the first states, and there for the step before.
struct Rows {
    int64_t step, after, before, first, every, count;
};

// Which columns of every segment; a segment of 0 means all columns of everything.
struct Columns {
    int64_t low, high, segment;
};

// A value of a pass with its address.
template <class T>
struct Operands {
    explicit Operands(const unrolled_pass& pass) : values(pass.values), of(size_t(pass.value_count)) {
        for (int64_t v = 0; v < pass.value_count; v++) {
            const unrolled_value& value = values[v];
            Location& here = of[size_t(v)];
            here.number = T(value.number);
            if (value.kind == UNROLLED_REGISTER || value.kind == UNROLLED_NUMBER) continue;
            const unrolled_buffer& buffer = pass.buffers[value.buffer];
            here.data = static_cast<T*>(buffer.data) + (value.kind == UNROLLED_IDS ? 0 : value.start);
            here.stride = buffer.stride;
            here.across = buffer.across;
        }
    }

    struct Location {
        T* data;
        int64_t stride, across;
        T number;
    };
    const unrolled_value* values;
    std::vector<Location> of;
};

inline bool is_product(const unrolled_instruction& i) { return i.op == UNROLLED_MULTIPLY; }
inline bool is_elementwise(const unrolled_instruction& i) { return i.op < UNROLLED_MULTIPLY; }
inline bool is_unary(const unrolled_instruction& i) { return i.op <= UNROLLED_OP_within; }
inline int arguments(const unrolled_instruction& i) {
    if (is_product(i)) return 3;
    const bool one = is_unary(i) || i.op == UNROLLED_SUM || i.op == UNROLLED_SOFTMAX || i.op == UNROLLED_ONE_HOT;
    return one ? 1 : 2;
}

// What is the same for all threads and steps that run one list.
struct List {
    List(const unrolled_pass& pass, const unrolled_stage& stage, int64_t element);

    const unrolled_instruction* begin() const { return instructions.data(); }
    const unrolled_instruction* end() const { return begin() + instructions.size(); }

    std::vector<unrolled_instruction> instructions;
    int64_t registers;
    int64_t block;  // rows that the list runs over at once
    int64_t strip;  // of these, rows that the instructions between two products run over at once
    // where threads share rows: before which instructions they wait, so that products read what others have written and
    // nobody overwrites what others still read
    std::vector<bool> waits;
    double products;  // multiplications for one row
    int64_t weights;  // elements of all packed matrices
};

template <class T>
class Interpreter {
  public:
    Interpreter(const Kernels<T>& kernels, const Operands<T>& operands, const List& list, T* registers, Columns columns,
                Barrier* barrier)
        : k(kernels), operands(operands), list(list), registers(registers), part(columns), barrier(barrier) {}

    void run(Rows rows) {
        const int64_t all = rows.count, first = rows.first;
        for (int64_t from = 0; from < all; from += list.block) {
            rows.first = first + from * rows.every;
            rows.count = std::min(list.block, all - from);
            run_block(rows);
        }
    }

  private:
    using Size = std::ptrdiff_t;

    void run_block(const Rows& rows) {
        const int64_t strips = (rows.count + list.strip - 1) / list.strip;
        for (auto i = list.begin(); i != list.end();) {
            if (is_product(*i)) {
                wait_before(i);
                multiply(*i++, rows);
                continue;
            }
            auto end = i + 1;
            while (end != list.end() && !is_product(*end) && !waits_before(end)) end++;
            wait_before(i);
            for (int64_t s = 0; s < strips; s++) {
                const int64_t row = s * rows.count / strips, count = (s + 1) * rows.count / strips - row;
                for (auto j = i; j != end; j++) run_one(*j, rows, row, count);
            }
            i = end;
        }
    }

    bool waits_before(const unrolled_instruction* i) const { return part.segment && list.waits[size_t(i - list.begin())]; }
    void wait_before(const unrolled_instruction* i) {
        if (waits_before(i)) barrier->wait();
    }

    // The rows of a value from the given one on.
    T* rows_of(int32_t v, const Rows& at, int64_t row, Size& stride) const {
        const unrolled_value& value = operands.values[v];
        const auto& here = operands.of[size_t(v)];
        int64_t begin = at.first;
        switch (value.kind) {
            case UNROLLED_STEP: begin += at.step; break;
            case UNROLLED_AFTER: begin += at.after; break;
            case UNROLLED_BEFORE: begin += at.before; break;
            case UNROLLED_BATCH: break;
            case UNROLLED_REGISTER: stride = list.registers; return registers + value.start + row * list.registers;
            case UNROLLED_NUMBER: stride = 0; return const_cast<T*>(&here.number);
            default: stride = 0; return here.data;
        }
        stride = here.stride * at.every;
        return here.data + begin * here.stride + row * stride;
    }

    Operand<T> operand(int32_t v, int64_t columns, const Rows& at, int64_t row) const {
        Size stride;
        const T* data = rows_of(v, at, row, stride);
        return {data, stride, operands.values[v].columns == 1 && columns != 1};
    }

    static Operand<T> shifted(Operand<T> a, int64_t columns) {
        if (!a.scalar) a.data += columns;
        return a;
    }

    // Calls work(first column, columns) for the columns of this thread.
    template <class F>
    void for_columns(int64_t columns, F work) const {
        if (!part.segment) return work(0, columns);
        for (int64_t at = 0; at < columns; at += part.segment) work(at + part.low, part.high - part.low);
    }

    void multiply(const unrolled_instruction& i, const Rows& at) {
        Size stride, vector_stride;
        const int64_t depth = operands.values[i.args[2]].columns;
        T* out = rows_of(i.out, at, 0, stride);
        const T* vector = rows_of(i.args[2], at, 0, vector_stride);
        const T* packed = operands.of[size_t(i.args[1])].data;
        const int64_t columns = operands.values[i.out].columns;
        Operand<T> init = operand(i.args[0], columns, at, 0);
        if (init.scalar || operands.values[i.args[0]].kind == UNROLLED_NUMBER) {
            if (operands.values[i.args[0]].kind == UNROLLED_NUMBER && *init.data == 0) {
                init.data = nullptr;
            } else {
                for_columns(columns, [&](int64_t from, int64_t count) {
                    k.copy(out + from, stride, init, at.count, count, 0, 0);
                });
                init = {out, stride, false};
            }
        }
        for_columns(columns, [&](int64_t from, int64_t count) {
            k.multiply(out + from, stride, init.data ? init.data + from : nullptr, init.stride, vector, vector_stride, 1,
                       packed + from / k.panel * (k.panel * depth), at.count, depth, count,
                       nullptr, 0);
        });
    }

    void run_one(const unrolled_instruction& i, const Rows& at, int64_t row, int64_t rows) {
        const int64_t all = operands.values[i.out].columns;
        Size stride;
        T* out = rows_of(i.out, at, row, stride);
        if (is_elementwise(i)) {
            const Operand<T> a = operand(i.args[0], all, at, row);
            const Operand<T> b = is_unary(i) ? a : operand(i.args[1], all, at, row);
            return for_columns(all, [&](int64_t from, int64_t count) {
                elementwise(i, out + from, stride, shifted(a, from), shifted(b, from), rows, count);
            });
        }
        const int64_t size = operands.values[i.args[0]].columns;
        switch (i.op) {
            case UNROLLED_SUM: return k.sum(out, stride, operand(i.args[0], size, at, row), rows, size, T(i.low));
            case UNROLLED_DOT:
                return k.dot(out, stride, operand(i.args[0], size, at, row), operand(i.args[1], size, at, row), rows, size);
            case UNROLLED_SOFTMAX: return k.softmax(out, stride, operand(i.args[0], all, at, row), rows, all);
            default: return by_id(i, out, stride, at, row, rows, all);
        }
    }

    void elementwise(const unrolled_instruction& i, T* out, Size stride, Operand<T> a, Operand<T> b, int64_t rows,
                     int64_t columns) {
        switch (i.op) {
#define UNARY_CASE(name) \
    case UNROLLED_OP_##name: return k.name(out, stride, a, rows, columns, T(i.low), T(i.high));
            UNROLLED_UNARY(UNARY_CASE)
#define BINARY_CASE(name) \
    case UNROLLED_OP_##name: return k.name(out, stride, a, b, rows, columns);
            UNROLLED_BINARY(BINARY_CASE)
        }
    }

    void by_id(const unrolled_instruction& i, T* out, Size stride, const Rows& at, int64_t row, int64_t rows,
               int64_t columns) {
        const bool lookup = i.op == UNROLLED_LOOKUP;
        const auto& given = operands.of[size_t(i.args[lookup ? 1 : 0])];
        const auto* ids = reinterpret_cast<const int64_t*>(given.data) + (at.step + at.first) * given.stride;
        const auto& table = operands.of[size_t(i.args[0])];
        for (int64_t r = 0; r < rows; r++, out += stride) {
            const int64_t id = ids[(row + r) * at.every * given.stride];
            if (lookup) {
                std::memcpy(out, table.data + id * table.stride, size_t(columns) * sizeof(T));
            } else {
                std::memset(out, 0, size_t(columns) * sizeof(T));
                out[id] = 1;
            }
        }
    }

    const Kernels<T>& k;
    const Operands<T>& operands;
    const List& list;
    T* const registers;
    const Columns part;
    Barrier* const barrier;
};

}  // namespace unrolled
