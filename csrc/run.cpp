// Running instruction lists over rows.
//
// A thread owns every P-th row of the batch, of P threads: no thread waits for another inside a time loop, and where
// long sequences come first all threads get as many steps. Nothing that is computed for a row depends on another row,
// and sums over rows are divided by columns, never by rows: the number of threads changes no bit of a result.
#include "run.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "threads.h"

namespace unrolled {
namespace {

constexpr int64_t block = 48;  // rows that a list runs over at once
constexpr int64_t strip = 6;   // of these, rows that the instructions between two products run over at once

// Where the rows of one call lie: row i of the block is row step + (first + i · every) of a step value, and row
// first + i · every of a value of the batch.
struct Place {
    int64_t step, first, every;
};

template <class T>
class Interpreter {
  public:
    Interpreter(const Kernels<T>& kernels, const unrolled_list& list, int64_t rows)
        : k(kernels),
          list(list),
          registers(size_t(list.registers * std::min(block, rows))),
          numbers(size_t(list.value_count)) {
        for (int64_t v = 0; v < list.value_count; v++) numbers[size_t(v)] = T(list.values[v].number);
    }

    void run(Place place, int64_t rows) {
        for (int64_t from = 0; from < rows; from += block)
            run_block({place.step, place.first + from * place.every, place.every}, std::min(block, rows - from));
    }

    // The rows of a value, as a kernel takes them.
    T* rows_of(int32_t value, const Place& at, int64_t row, int64_t& stride) {
        const unrolled_value& v = list.values[value];
        T* data = static_cast<T*>(v.data);
        switch (v.kind) {
            case UNROLLED_STEP:
                stride = v.stride * at.every;
                return data + (at.step + at.first) * v.stride + row * stride;
            case UNROLLED_BATCH:
                stride = v.stride * at.every;
                return data + at.first * v.stride + row * stride;
            case UNROLLED_REGISTER:
                stride = list.registers;
                return registers.data() + v.stride + row * stride;
            case UNROLLED_NUMBER:
                stride = 0;
                return &numbers[size_t(value)];
            default:
                stride = 0;
                return data;
        }
    }

    Operand<T> operand(int32_t value, int32_t columns, const Place& at, int64_t row) {
        int64_t stride;
        const T* data = rows_of(value, at, row, stride);
        return {data, std::ptrdiff_t(stride), list.values[value].columns == 1 && columns != 1};
    }

  private:
    static bool is_product(const unrolled_instruction& i) { return i.op == UNROLLED_MULTIPLY; }

    void run_block(Place at, int64_t rows) {
        for (int64_t i = 0; i < list.count;) {
            if (is_product(list.instructions[i])) {
                multiply(list.instructions[i++], at, rows);
                continue;
            }
            int64_t end = i;
            while (end < list.count && !is_product(list.instructions[end])) end++;
            for (int64_t row = 0; row < rows; row += strip)
                for (int64_t j = i; j < end; j++)
                    row_by_row(list.instructions[j], at, row, std::min(strip, rows - row));
            i = end;
        }
    }

    // out = init + matrix · vector, where a missing init is the number 0.
    void multiply(const unrolled_instruction& i, const Place& at, int64_t rows) {
        int64_t stride, vector_stride;
        const unrolled_value& matrix = list.values[i.args[1]];
        T* out = rows_of(i.out, at, 0, stride);
        const int32_t columns = list.values[i.out].columns;
        k.copy(out, stride, operand(i.args[0], columns, at, 0), rows, columns, 0, 0);
        const T* vector = rows_of(i.args[2], at, 0, vector_stride);
        k.multiply(out, stride, vector, vector_stride, 1, static_cast<const T*>(matrix.data), rows,
                   list.values[i.args[2]].columns, columns);
    }

    void row_by_row(const unrolled_instruction& i, const Place& at, int64_t row, int64_t rows) {
        const int32_t columns = list.values[i.out].columns;
        int64_t stride;
        T* out = rows_of(i.out, at, row, stride);
        switch (i.op) {
#define UNARY_CASE(name) \
    case UNROLLED_OP_##name: return k.name(out, stride, operand(i.args[0], columns, at, row), rows, columns, T(i.low), T(i.high));
            UNROLLED_UNARY(UNARY_CASE)
#define BINARY_CASE(name)                                                                                       \
    case UNROLLED_OP_##name:                                                                                    \
        return k.name(out, stride, operand(i.args[0], columns, at, row), operand(i.args[1], columns, at, row), rows, \
                      columns);
            UNROLLED_BINARY(BINARY_CASE)
            case UNROLLED_SUM: {
                const int32_t size = list.values[i.args[0]].columns;
                return k.sum(out, stride, operand(i.args[0], size, at, row), rows, size, T(i.low));
            }
            case UNROLLED_DOT: {
                const int32_t size = list.values[i.args[0]].columns;
                return k.dot(out, stride, operand(i.args[0], size, at, row), operand(i.args[1], size, at, row), rows, size);
            }
            case UNROLLED_SOFTMAX: return k.softmax(out, stride, operand(i.args[0], columns, at, row), rows, columns);
            case UNROLLED_LOOKUP:
            case UNROLLED_ONE_HOT: return by_id(i, out, stride, at, row, rows, columns);
        }
    }

    void by_id(const unrolled_instruction& i, T* out, int64_t stride, const Place& at, int64_t row, int64_t rows,
               int32_t columns) {
        const bool lookup = i.op == UNROLLED_LOOKUP;
        const auto* ids = static_cast<const int64_t*>(list.values[i.args[lookup ? 1 : 0]].data) + at.step + at.first;
        const T* table = lookup ? static_cast<const T*>(list.values[i.args[0]].data) : nullptr;
        for (int64_t r = 0; r < rows; r++, out += stride) {
            const int64_t id = ids[(row + r) * at.every];
            if (lookup) {
                std::memcpy(out, table + id * columns, size_t(columns) * sizeof(T));
            } else {
                std::memset(out, 0, size_t(columns) * sizeof(T));
                out[id] = 1;
            }
        }
    }

    const Kernels<T>& k;
    const unrolled_list& list;
    std::vector<T> registers;
    std::vector<T> numbers;
};

int64_t share(int64_t rows, int part, int parts) { return (rows - part + parts - 1) / parts; }

}  // namespace

template <class T>
void run_rows(const Kernels<T>& kernels, int threads, const unrolled_list& list, int64_t rows) {
    threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, rows)));
    parallel(threads, [&](int part) {
        // neighbouring rows, which are read one after the other
        const int64_t low = rows * part / threads, high = rows * (part + 1) / threads;
        Interpreter<T> interpreter(kernels, list, high - low);
        interpreter.run({0, low, 1}, high - low);
    });
}

template <class T>
void run_loop(const Kernels<T>& kernels, int threads, const unrolled_list& list, const unrolled_loop& loop) {
    const int64_t batch = loop.steps ? loop.batch_sizes[0] : 0;
    threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, batch)));
    int64_t total = 0;
    for (int64_t t = 0; t < loop.steps; t++) total += loop.batch_sizes[t];
    parallel(threads, [&](int part) {
        Interpreter<T> interpreter(kernels, list, batch > part ? share(batch, part, threads) : 0);
        int64_t offset = loop.backward ? total : 0;
        for (int64_t n = 0; n < loop.steps; n++) {
            const int64_t size = loop.batch_sizes[loop.backward ? loop.steps - 1 - n : n];
            if (loop.backward) offset -= size;
            const int64_t mine = size > part ? share(size, part, threads) : 0;
            const Place at{offset, part, threads};
            interpreter.run(at, mine);
            if (!loop.backward) offset += size;
        }
    });
}

template <class T>
void run_outer(const Kernels<T>& kernels, int threads, T* out, int64_t out_stride, const T* left, int64_t left_stride,
               int64_t m, const T* right, int64_t right_stride, int64_t n, int64_t rows) {
    constexpr int64_t depth = 128;
    threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, (m + 5) / 6)));
    const int64_t panels = (n + kernels.panel - 1) / kernels.panel;
    parallel(threads, [&](int part) {
        const int64_t low = m * part / threads, mine = m * (part + 1) / threads - low;
        const int64_t narrow = mine + 16;  // not a power of two apart, which would all fall into a few cache sets
        std::vector<T> packed(size_t(panels * kernels.panel * depth)), copy(size_t(narrow * depth));
        for (int64_t i = 0; i < mine; i++) std::memset(out + (low + i) * out_stride, 0, size_t(n) * sizeof(T));
        for (int64_t from = 0; from < rows; from += depth) {
            const int64_t k = std::min(depth, rows - from);
            kernels.pack(packed.data(), right + from * right_stride, right_stride, 1, k, n);
            kernels.copy(copy.data(), narrow, {left + from * left_stride + low, left_stride, false}, k, mine, 0, 0);
            kernels.multiply(out + low * out_stride, out_stride, copy.data(), 1, narrow, packed.data(), mine, k, n);
        }
    });
}

template <class T>
void run_total(int threads, T* out, const T* in, int64_t stride, int64_t columns, int64_t rows) {
    constexpr int64_t depth = 256;  // one chain of additions over all rows would lose digits
    threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, columns / 64)));
    parallel(threads, [&](int part) {
        const int64_t low = columns * part / threads, mine = columns * (part + 1) / threads - low;
        std::vector<T> some(static_cast<size_t>(mine));
        std::fill(out + low, out + low + mine, T(0));
        for (int64_t from = 0; from < rows; from += depth) {
            std::fill(some.begin(), some.end(), T(0));
            for (int64_t r = from; r < std::min(rows, from + depth); r++)
                for (int64_t j = 0; j < mine; j++) some[size_t(j)] += in[r * stride + low + j];
            for (int64_t j = 0; j < mine; j++) out[low + j] += some[size_t(j)];
        }
    });
}

template <class T>
void run_scatter(int threads, T* out, const T* in, int64_t stride, int64_t columns, const int64_t* ids, int64_t rows) {
    threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, columns / 64)));
    parallel(threads, [&](int part) {
        const int64_t low = columns * part / threads, high = columns * (part + 1) / threads;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = low; j < high; j++) out[ids[r] * columns + j] += in[r * stride + j];
    });
}

#define UNROLLED_INSTANTIATE(T)                                                                                   \
    template void run_rows<T>(const Kernels<T>&, int, const unrolled_list&, int64_t);                             \
    template void run_loop<T>(const Kernels<T>&, int, const unrolled_list&, const unrolled_loop&);                \
    template void run_outer<T>(const Kernels<T>&, int, T*, int64_t, const T*, int64_t, int64_t, const T*, int64_t, \
                               int64_t, int64_t);                                                                 \
    template void run_total<T>(int, T*, const T*, int64_t, int64_t, int64_t);                                     \
    template void run_scatter<T>(int, T*, const T*, int64_t, int64_t, const int64_t*, int64_t);
UNROLLED_INSTANTIATE(float)
UNROLLED_INSTANTIATE(double)

}  // namespace unrolled
