/* The C interface of the core. Every function is safe to call from several threads; none keeps a pointer that it was
 * given, and none allocates what the caller would have to free. */
#ifndef UNROLLED_H
#define UNROLLED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UNROLLED_API __attribute__((visibility("default")))

/* Changes whenever a function here changes; a caller compares it with the one that it was written for. */
#define UNROLLED_INTERFACE 7
UNROLLED_API int32_t unrolled_interface(void);

enum { UNROLLED_OK = 0, UNROLLED_NO_SUCH_ISA = 1, UNROLLED_NO_SUCH_FUNCTION = 2, UNROLLED_BAD_ARGUMENT = 3, UNROLLED_NO_MEMORY = 4, UNROLLED_NOT_FINITE = 5 };

/* The names of the instruction sets that run on this machine, the best last, separated by spaces. */
UNROLLED_API const char* unrolled_isas(void);

/* The names of the elementwise functions of one argument, separated by spaces. */
UNROLLED_API const char* unrolled_functions(void);

/* The names of all operations of an instruction list, separated by spaces: operation i is the i-th. */
UNROLLED_API const char* unrolled_operations(void);

/* out[i] = function(in[i]) for i < count.
 * isa: a name from unrolled_isas; function: a name from unrolled_functions; dtype_bytes: 4 for float, 8 for double.
 * in: count values, read only; out: count values, may be the same as in and may not overlap it otherwise.
 * low, high: the constants of clip and within; low is the exponent of pow; other functions ignore them. */
UNROLLED_API int32_t unrolled_apply(const char* isa, const char* function, int32_t dtype_bytes, const void* in, void* out,
                                    int64_t count, double low, double high);

/* Operations. With one argument and with two they are elementwise; an argument of one column stands beside all columns
 * of the others. The rest:
 *   multiply(init, matrix, vector)  init + matrix vector; init may be the number 0
 *   sum(vector)                     low times the sum of the columns
 *   dot(vector, vector), softmax(vector)
 *   lookup(table, ids)              row ids of the table
 *   one_hot(ids) */
#define UNROLLED_UNARY(each)                                                                                      \
    each(copy) each(neg) each(pow) each(tanh) each(sigmoid) each(relu) each(exp) each(log) each(abs) each(sqrt)   \
    each(softplus) each(sin) each(cos) each(clip) each(sign) each(positive) each(heaviside) each(within)
#define UNROLLED_BINARY(each) \
    each(add) each(sub) each(mul) each(div) each(max) each(min) each(dtanh) each(dsigmoid)
enum {
#define UNROLLED_OP(name) UNROLLED_OP_##name,
    UNROLLED_UNARY(UNROLLED_OP) UNROLLED_BINARY(UNROLLED_OP)
#undef UNROLLED_OP
    UNROLLED_MULTIPLY,
    UNROLLED_SUM,
    UNROLLED_DOT,
    UNROLLED_SOFTMAX,
    UNROLLED_LOOKUP,
    UNROLLED_ONE_HOT
};

/* The memory of a pass, owned by the caller, who says how long it is: a pass that would reach beyond is refused.
 * `length` counts elements: numbers of the pass's dtype, int64 where `holds` is UNROLLED_SYMBOLS. A packed matrix of floats
 * may hold numbers that are rounded: UNROLLED_HALVES to bf16, UNROLLED_QUARTERS to 8 bits with a scale for each column; then a
 * product rounds the vector too, in the same way. Row i begins at element
 * i * stride; `across` is the distance of neighbouring columns, 1 but for a matrix that is packed. What a pass writes is
 * `writable` and overlaps no other buffer. */
enum { UNROLLED_NUMBERS, UNROLLED_SYMBOLS, UNROLLED_HALVES, UNROLLED_QUARTERS };
typedef struct {
    void* data;
    int64_t length, stride, across;
    int32_t holds, writable;
} unrolled_buffer;

/* An operand: `columns` columns of a buffer, from column `start` on. Which row stands for row r of the batch at step t:
 *   STEP      offset(t) + r, where offset(t) counts the rows of all steps before t
 *   AFTER     batch + offset(t) + r: the array begins with the state before the first step
 *   BEFORE    where AFTER is for the same r one step earlier: r if t = 0
 *   BATCH     r: what goes from step to step
 *   ROW       0, the same for all
 * The others:
 *   REGISTER  `start` is the first column in the register file, which forgets all from one block of rows to the next
 *   NUMBER    `number`
 *   IDS       int64 symbols below `rows`, one for each row of the packed sequences
 *   MATRIX    (rows, columns)
 *   PACKED    a matrix (rows, columns) as stage PACK writes it */
enum {
    UNROLLED_STEP,
    UNROLLED_AFTER,
    UNROLLED_BEFORE,
    UNROLLED_BATCH,
    UNROLLED_ROW,
    UNROLLED_REGISTER,
    UNROLLED_NUMBER,
    UNROLLED_IDS,
    UNROLLED_MATRIX,
    UNROLLED_PACKED
};

typedef struct {
    int32_t kind, buffer;
    int64_t rows, columns, start;
    double number;
} unrolled_value;

/* `segment`: threads that share rows divide every so many columns of the result among them alike; 0: all its columns. */
typedef struct {
    int32_t op, out, args[3], segment;
    double low, high;
} unrolled_instruction;

/* What a pass does, one after the other:
 *   PACK      out (PACKED) <- left (MATRIX)
 *   ROWS      the instructions over all rows of the packed sequences
 *   FORWARD   the instructions over one step after the other
 *   BACKWARD  the same from the last step to the first
 *   OUTER     out (MATRIX) <- sum over all rows of left right^T
 *   TOTAL     out (ROW) <- sum over all rows of left
 *   SCATTER   row ids[r] of out (MATRIX) <- sum of the rows r of left; right are the ids
 *   OUTER_HALVES  as OUTER, of numbers that are rounded to bf16 first; float only
 * ROWS, FORWARD and BACKWARD have `count` instructions from the `first` on, and `registers` columns of registers. */
enum {
    UNROLLED_PACK,
    UNROLLED_ROWS,
    UNROLLED_FORWARD,
    UNROLLED_BACKWARD,
    UNROLLED_OUTER,
    UNROLLED_TOTAL,
    UNROLLED_SCATTER,
    UNROLLED_OUTER_HALVES
};

typedef struct {
    int32_t stage, out, left, right;
    int64_t first, count, registers;
} unrolled_stage;

/* Step t has batch_sizes[t] rows, the first ones of the batch; the sizes fall and none is above `batch`. */
typedef struct {
    const unrolled_buffer* buffers;
    const unrolled_value* values;
    const unrolled_instruction* instructions;
    const unrolled_stage* stages;
    const int64_t* batch_sizes;
    int64_t buffer_count, value_count, instruction_count, stage_count, steps, batch;
} unrolled_pass;

/* How a pass runs: the instruction set, 4 or 8 bytes, and the number of threads, which changes no bit of a result. */
typedef struct {
    const char* isa;
    int32_t dtype_bytes, threads;
} unrolled_how;

/* Threads from now on: those of the OpenMP runtime of this process, whose functions GOMP_parallel, omp_get_thread_num and
 * omp_get_num_threads are given, or if the first is null the library's own. Not while another call runs. */
UNROLLED_API void unrolled_use_openmp(void* parallel, void* index, void* size);

/* Elements that PACK writes for a matrix (rows, columns) into a buffer that `holds` this; -1 for a bad argument. */
UNROLLED_API int64_t unrolled_packed_size(const unrolled_how* how, int32_t holds, int64_t rows, int64_t columns);

/* Runs a pass, after checking that nothing in it reaches beyond the buffers: then UNROLLED_OK. UNROLLED_BAD_ARGUMENT where
 * something would, or does not fit together; nothing was computed then. UNROLLED_NO_MEMORY where there is none. */
UNROLLED_API int32_t unrolled_run(const unrolled_how* how, const unrolled_pass* pass);

/* Symbols that a model writes, `streams` texts side by side: the batch of the pass, which has one stage FORWARD of one step
 * over them. `ids` is the value (IDS) from which the pass reads one symbol of each stream, `logits` the one (BATCH) where it
 * leaves the scores of the next.
 * read (given, streams): symbols that the model reads first. drawn, probabilities (count, streams): what it writes then, the
 * symbols and with which probability they were drawn; the last ones are not read. After `stop` (-1: never) a stream writes
 * -1 with probability 0.
 * A symbol is the inverse of the cumulative distribution at the number that belongs to (seed, numbers[stream],
 * positions[stream] + i). The distribution is softmax(logits / temperature), or only the most probable symbol where
 * temperature is 0; of it the top_k most probable symbols (0: all), and of these the fewest that have at least top_p. */
typedef struct {
    int32_t ids, logits;
    int64_t given, count;
    const int64_t* read;
    int64_t* drawn;
    double* probabilities;
    const uint64_t *numbers, *positions;
    uint64_t seed;
    double temperature, top_p;
    int64_t top_k, stop;
} unrolled_writing;

/* As unrolled_run; UNROLLED_NOT_FINITE where a logit is not finite, and from there on nothing was written. */
UNROLLED_API int32_t unrolled_write(const unrolled_how* how, const unrolled_pass* pass, const unrolled_writing* writing);

/* Why the last unrolled_run or unrolled_write of this thread refused, in words. */
UNROLLED_API const char* unrolled_refusal(void);

#ifdef __cplusplus
}
#endif

#endif
