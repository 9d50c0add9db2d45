// Running an instruction list over some rows: those that one thread owns, of one step or of all.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "list.h"
#include "threads.h"
#include "unrolled.h"

namespace unrolled {

// Which rows: row i of a block is row first + i · every of its step. The others say where the step's rows begin: in
// arrays of steps, in those that begin with the first states, and there for the step before.
struct Rows {
    int64_t step, after, before, first, every, count;
};

// One of `parts` threads that share rows and divide the columns; of one alone.
struct Part {
    int number, parts;
};

// A value of a pass with its address.
template <class T>
struct Location {
    T* data;
    int64_t stride, across;
    T number;
    int holds;  // what unrolled_buffer says
};

template <class T>
std::vector<Location<T>> locations(const unrolled_pass& pass) {
    std::vector<Location<T>> found(size_t(pass.value_count));
    for (int64_t v = 0; v < pass.value_count; v++) {
        const unrolled_value& value = pass.values[v];
        Location<T>& here = found[size_t(v)];
        here.number = T(value.number);
        if (value.kind == UNROLLED_REGISTER || value.kind == UNROLLED_NUMBER) continue;
        const unrolled_buffer& buffer = pass.buffers[value.buffer];
        const int64_t start = value.kind == UNROLLED_IDS || value.kind == UNROLLED_PACKED ? 0 : value.start;
        here = {static_cast<T*>(buffer.data) + start, buffer.stride, buffer.across, here.number, buffer.holds};
    }
    return found;
}

// Aligned, as each thread has its own and writes to it: no two in one cache line, nor in neighbouring ones.
template <class T>
class alignas(128) Interpreter {
  public:
    // `registers` has list.registers columns for list.block rows; `workspace` is what products need; `barrier` is for threads
    // that share rows.
    Interpreter(const Kernels<T>& kernels, const unrolled_pass& pass, const std::vector<Location<T>>& locations,
                const List& list, T* registers, T* workspace, Part part, Barrier* barrier)
        : k(kernels), list(list), workspace(workspace), part(part), barrier(barrier) {
        for (size_t n = 0; n < list.instructions.size(); n++) {
            const unrolled_instruction& i = list.instructions[n];
            Operation o{};
            o.op = i.op;
            o.low = T(i.low);
            o.high = T(i.high);
            const auto place = [&](int32_t v) { return slot(pass.values[v], locations[size_t(v)], registers); };
            o.out = place(i.out);
            for (int a = 0; a < arguments(i); a++) o.args[a] = place(i.args[a]);
            select(o);
            if (is_product(i)) o.packing = &k.packing(locations[size_t(i.args[1])].holds);
            divide(o, list.segments[n]);
            operations.push_back(o);
        }
    }

    bool shares_rows() const { return part.parts > 1; }

    void run(Rows rows) {
        const int64_t all = rows.count, first = rows.first;
        for (int64_t from = 0; from < all; from += list.block) {
            const int64_t count = std::min(list.block, all - from), begin = first + from * rows.every;
            at[Batch] = {begin, rows.every};
            at[Step] = {rows.step + begin, rows.every};
            at[After] = {rows.after + begin, rows.every};
            at[Before] = {rows.before + begin, rows.every};
            run_block(count);
        }
    }

  private:
    using Size = std::ptrdiff_t;
    enum Begin { Batch, Step, After, Before, Here, Begins };  // Here: the rows of the block itself

    // Where an operand's rows begin, and how far they are apart.
    struct Slot {
        T* data;
        int64_t stride, columns;
        Begin begin;
    };

    struct Operation {
        int32_t op;
        Slot out, args[3];
        T low, high;
        typename Kernels<T>::Unary unary;
        typename Kernels<T>::Binary binary;
        const typename Kernels<T>::Packing* packing;
        // the columns of this thread: `columns` from `from` on, in each of `groups` segments
        int64_t from, columns, segment, groups;
    };

    Slot slot(const unrolled_value& value, const Location<T>& here, T* registers) const {
        switch (value.kind) {
            case UNROLLED_STEP: return {here.data, here.stride, value.columns, Step};
            case UNROLLED_IDS: return {here.data, here.stride, 1, Step};
            case UNROLLED_AFTER: return {here.data, here.stride, value.columns, After};
            case UNROLLED_BEFORE: return {here.data, here.stride, value.columns, Before};
            case UNROLLED_BATCH: return {here.data, here.stride, value.columns, Batch};
            case UNROLLED_REGISTER: return {registers + value.start, list.registers, value.columns, Here};
            case UNROLLED_NUMBER: return {const_cast<T*>(&here.number), 0, 1, Here};
            case UNROLLED_MATRIX: return {here.data, here.stride, value.columns, Here};
            default: return {here.data, 0, value.columns, Here};
        }
    }

    void select(Operation& o) const {
        switch (o.op) {
#define UNARY_CASE(name) \
    case UNROLLED_OP_##name: o.unary = k.name; break;
            UNROLLED_UNARY(UNARY_CASE)
#define BINARY_CASE(name) \
    case UNROLLED_OP_##name: o.binary = k.name; break;
            UNROLLED_BINARY(BINARY_CASE)
#undef UNARY_CASE
#undef BINARY_CASE
        }
    }

    void divide(Operation& o, int64_t segment) const {
        o.segment = part.parts > 1 && segment != alone ? segment : o.out.columns;
        o.groups = o.out.columns / o.segment;
        const int64_t units = (o.segment + k.panel - 1) / k.panel;
        o.from = std::min(o.segment, units * part.number / part.parts * k.panel);
        o.columns = std::min(o.segment, units * (part.number + 1) / part.parts * k.panel) - o.from;
        if (part.parts > 1 && segment == alone) {
            o.from = 0;
            o.columns = part.number ? 0 : o.out.columns;
        }
    }

    void run_block(int64_t rows) {
        const int64_t strips = (rows + list.strip - 1) / list.strip;
        const size_t count = operations.size();
        for (size_t i = 0; i < count;) {
            if (waits_before(i)) barrier->wait();
            if (operations[i].op == UNROLLED_MULTIPLY) {
                multiply(operations[i++], rows);
                continue;
            }
            size_t end = i + 1;
            while (end < count && operations[end].op != UNROLLED_MULTIPLY && !waits_before(end)) end++;
            for (int64_t s = 0; s < strips; s++) {
                const int64_t row = s * rows / strips, height = (s + 1) * rows / strips - row;
                for (size_t j = i; j < end; j++) run_one(operations[j], row, height);
            }
            i = end;
        }
    }

    bool waits_before(size_t i) const { return part.parts > 1 && list.waits[i]; }

    int64_t stride(const Slot& slot) const { return slot.stride * at[slot.begin].every; }
    T* rows_of(const Slot& slot, int64_t row) const {
        return slot.data + (at[slot.begin].begin + row * at[slot.begin].every) * slot.stride;
    }
    Operand<T> operand(const Slot& slot, int64_t columns, int64_t row) const {
        return {rows_of(slot, row), Size(stride(slot)), slot.columns == 1 && columns != 1};
    }

    // Calls work(first column) for each segment.
    template <class F>
    static void for_segments(const Operation& o, F work) {
        for (int64_t g = 0, from = o.from; g < o.groups; g++, from += o.segment) work(from);
    }

    void multiply(const Operation& o, int64_t rows) {
        if (!o.columns) return;
        const int64_t depth = o.args[2].columns;
        T* out = rows_of(o.out, 0);
        Operand<T> init = operand(o.args[0], o.out.columns, 0);
        if (init.scalar && *init.data == 0 && init.stride == 0) {
            init.data = nullptr;
        } else if (init.scalar) {
            for_segments(o, [&](int64_t from) { k.copy(out + from, stride(o.out), init, rows, o.columns, 0, 0); });
            init = {out, Size(stride(o.out)), false};
        }
        Product<T> product{out + o.from, Size(stride(o.out)), init.data ? init.data + o.from : nullptr, init.stride,
                           rows_of(o.args[2], 0), Size(stride(o.args[2])), 1,
                           o.args[1].data + o.from * o.packing->words(depth), rows, depth, o.columns};
        product.groups = o.groups;
        product.jump = o.segment;
        product.workspace = workspace;
        o.packing->multiply(product);
    }

    void run_one(const Operation& o, int64_t row, int64_t rows) {
        if (!o.columns) return;
        const int64_t all = o.out.columns, size = o.args[0].columns;
        T* out = rows_of(o.out, row);
        if (o.unary) {
            const Operand<T> a = operand(o.args[0], all, row);
            return for_segments(o, [&](int64_t from) {
                o.unary(out + from, stride(o.out), shifted(a, from), rows, o.columns, o.low, o.high);
            });
        }
        if (o.binary) {
            const Operand<T> a = operand(o.args[0], all, row), b = operand(o.args[1], all, row);
            return for_segments(o, [&](int64_t from) {
                o.binary(out + from, stride(o.out), shifted(a, from), shifted(b, from), rows, o.columns);
            });
        }
        switch (o.op) {
            case UNROLLED_SUM: return k.sum(out, stride(o.out), operand(o.args[0], size, row), rows, size, o.low);
            case UNROLLED_DOT:
                return k.dot(out, stride(o.out), operand(o.args[0], size, row), operand(o.args[1], size, row), rows, size);
            case UNROLLED_SOFTMAX: return k.softmax(out, stride(o.out), operand(o.args[0], all, row), rows, all);
            default: return by_id(o, out, row, rows);
        }
    }

    static Operand<T> shifted(Operand<T> a, int64_t columns) {
        if (!a.scalar) a.data += columns;
        return a;
    }

    void by_id(const Operation& o, T* out, int64_t row, int64_t rows) const {
        const bool lookup = o.op == UNROLLED_LOOKUP;
        const Slot& given = o.args[lookup ? 1 : 0];
        const auto* ids = reinterpret_cast<const int64_t*>(given.data) +
                          (at[Step].begin + row * at[Step].every) * given.stride;
        for (int64_t r = 0; r < rows; r++, out += stride(o.out), ids += stride(given)) {
            if (lookup) {
                std::memcpy(out, o.args[0].data + *ids * o.args[0].stride, size_t(o.out.columns) * sizeof(T));
            } else {
                std::memset(out, 0, size_t(o.out.columns) * sizeof(T));
                out[*ids] = 1;
            }
        }
    }

    const Kernels<T>& k;
    const List& list;
    T* const workspace;
    const Part part;
    Barrier* const barrier;
    std::vector<Operation> operations;
    struct {
        int64_t begin, every;
    } at[Begins] = {{0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}};
};

}  // namespace unrolled
