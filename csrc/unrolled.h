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
#define UNROLLED_INTERFACE 1
UNROLLED_API int32_t unrolled_interface(void);

enum { UNROLLED_OK = 0, UNROLLED_NO_SUCH_ISA = 1, UNROLLED_NO_SUCH_FUNCTION = 2, UNROLLED_BAD_ARGUMENT = 3 };

/* The names of the instruction sets that run on this machine, the best last, separated by spaces. */
UNROLLED_API const char* unrolled_isas(void);

/* The names of the elementwise functions of one argument, separated by spaces. */
UNROLLED_API const char* unrolled_functions(void);

/* out[i] = function(in[i]) for i < count.
 * isa: a name from unrolled_isas; function: a name from unrolled_functions; dtype_bytes: 4 for float, 8 for double.
 * in: count values, read only; out: count values, may be the same as in and may not overlap it otherwise.
 * low, high: the constants of clip and within; low is the exponent of pow; other functions ignore them. */
UNROLLED_API int32_t unrolled_apply(const char* isa, const char* function, int32_t dtype_bytes, const void* in, void* out,
                                    int64_t count, double low, double high);

#ifdef __cplusplus
}
#endif

#endif
