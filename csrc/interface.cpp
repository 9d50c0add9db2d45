// The C interface: arguments are checked here, so that nothing below has to.
#include "unrolled.h"

#include <cstring>

#include "kernels.h"

namespace unrolled {
namespace {

template <class T>
struct Function {
    const char* name;
    typename Kernels<T>::Unary Kernels<T>::* kernel;
};

#define UNROLLED_FUNCTIONS(each)                                                                              \
    each(neg) each(pow) each(tanh) each(sigmoid) each(relu) each(exp) each(log) each(abs) each(sqrt) each(softplus) \
    each(sin) each(cos) each(clip) each(sign) each(positive) each(heaviside) each(within)

template <class T>
typename Kernels<T>::Unary find(const Kernels<T>& kernels, const char* name) {
#define UNROLLED_ENTRY(name) {#name, &Kernels<T>::name},
    static constexpr Function<T> functions[] = {UNROLLED_FUNCTIONS(UNROLLED_ENTRY)};
    for (const Function<T>& each : functions)
        if (!std::strcmp(each.name, name)) return kernels.*each.kernel;
    return nullptr;
}

template <class T>
int32_t apply(const Kernels<T>& kernels, const char* function, const void* in, void* out, int64_t count, double low,
              double high) {
    auto kernel = find(kernels, function);
    if (!kernel) return UNROLLED_NO_SUCH_FUNCTION;
    kernel(static_cast<T*>(out), count, {static_cast<const T*>(in), count, false}, 1, count, T(low), T(high));
    return UNROLLED_OK;
}

}  // namespace
}  // namespace unrolled

int32_t unrolled_interface(void) { return UNROLLED_INTERFACE; }

const char* unrolled_isas(void) { return unrolled::isas(); }

const char* unrolled_functions(void) {
#define UNROLLED_NAME_OF(name) " " #name
    static const char names[] = UNROLLED_FUNCTIONS(UNROLLED_NAME_OF);
    return names + 1;
}

int32_t unrolled_apply(const char* isa, const char* function, int32_t dtype_bytes, const void* in, void* out,
                       int64_t count, double low, double high) {
    if (!isa || !function || count < 0 || (count && (!in || !out))) return UNROLLED_BAD_ARGUMENT;
    const unrolled::Isa* chosen = unrolled::isa(isa);
    if (!chosen) return UNROLLED_NO_SUCH_ISA;
    if (dtype_bytes == 4) return unrolled::apply(chosen->f32, function, in, out, count, low, high);
    if (dtype_bytes == 8) return unrolled::apply(chosen->f64, function, in, out, count, low, high);
    return UNROLLED_BAD_ARGUMENT;
}
