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
#define UNROLLED_INTERFACE 2
UNROLLED_API int32_t unrolled_interface(void);

enum { UNROLLED_OK = 0, UNROLLED_NO_SUCH_ISA = 1, UNROLLED_NO_SUCH_FUNCTION = 2, UNROLLED_BAD_ARGUMENT = 3, UNROLLED_NO_MEMORY = 4 };

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

/* Where a value of a list lives. Rows are `stride` elements apart and have `columns` elements next to each other.
 *   STEP      one row for each row of the packed sequences
 *   BATCH     one row for each sequence: what goes from step to step
 *   REGISTER  nowhere outside of the list; `stride` is its first column in the register file, `data` is not read
 *   ROW       one row, the same for all
 *   NUMBER    `number`; `data` is not read
 *   IDS       int64 symbols, one for each row of the packed sequences
 *   PACKED    a matrix (k, columns) from unrolled_pack
 *   TABLE     a matrix whose rows have `columns` elements without gaps, for lookup */
enum {
    UNROLLED_STEP,
    UNROLLED_BATCH,
    UNROLLED_REGISTER,
    UNROLLED_ROW,
    UNROLLED_NUMBER,
    UNROLLED_IDS,
    UNROLLED_PACKED,
    UNROLLED_TABLE
};

typedef struct {
    int32_t kind, columns;
    int64_t stride;
    void* data;
    double number;
} unrolled_value;

typedef struct {
    int32_t op, out, args[3], unused;
    double low, high;
} unrolled_instruction;

/* `registers` is the number of columns of the register file. */
typedef struct {
    const unrolled_value* values;
    int64_t value_count;
    const unrolled_instruction* instructions;
    int64_t count;
    int64_t registers;
} unrolled_list;

/* Step t has batch_sizes[t] rows, the first ones of the batch; the sizes fall. */
typedef struct {
    const int64_t* batch_sizes;
    int64_t steps;
    int32_t backward, unused;
} unrolled_loop;

/* What every call below takes: the instruction set, 4 or 8 bytes, and the number of threads, which changes no result. */
typedef struct {
    const char* isa;
    int32_t dtype_bytes, threads;
} unrolled_how;

/* Elements that unrolled_pack writes for a matrix (k, n); -1 for a bad argument. */
UNROLLED_API int64_t unrolled_packed_size(const unrolled_how* how, int64_t k, int64_t n);

/* packed <- the matrix (k, n) whose element (i, j) is data[i * row + j * column]. */
UNROLLED_API int32_t unrolled_pack(const unrolled_how* how, void* packed, const void* data, int64_t row, int64_t column,
                                   int64_t k, int64_t n);

/* The list over `rows` rows of the packed sequences. */
UNROLLED_API int32_t unrolled_run_rows(const unrolled_how* how, const unrolled_list* list, int64_t rows);

/* The list over the rows of one step after the other, or backward, from the last step to the first. */
UNROLLED_API int32_t unrolled_run_loop(const unrolled_how* how, const unrolled_list* list, const unrolled_loop* loop);

/* out (m, n) <- sum over rows r of left[r] right[r]^T. */
UNROLLED_API int32_t unrolled_outer(const unrolled_how* how, void* out, int64_t out_stride, const void* left,
                                    int64_t left_stride, int64_t m, const void* right, int64_t right_stride, int64_t n,
                                    int64_t rows);

/* out (columns) <- the sum of the rows of in. */
UNROLLED_API int32_t unrolled_total(const unrolled_how* how, void* out, const void* in, int64_t stride, int64_t columns,
                                    int64_t rows);

/* Row ids[r] of out (symbols, columns, without gaps) += row r of in. */
UNROLLED_API int32_t unrolled_scatter(const unrolled_how* how, void* out, const void* in, int64_t stride, int64_t columns,
                                      const int64_t* ids, int64_t rows);

#ifdef __cplusplus
}
#endif

#endif
