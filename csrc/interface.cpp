// The C interface. It checks how a call is to be made; the lists and addresses of a call are the caller's to get right.
#include "unrolled.h"

#include <cstring>
#include <new>

#include "kernels.h"
#include "run.h"

namespace unrolled {
namespace {

template <class T>
struct Function {
    const char* name;
    typename Kernels<T>::Unary Kernels<T>::* kernel;
};

template <class T>
typename Kernels<T>::Unary find(const Kernels<T>& kernels, const char* name) {
#define UNROLLED_ENTRY(name) {#name, &Kernels<T>::name},
    static constexpr Function<T> functions[] = {UNROLLED_UNARY(UNROLLED_ENTRY)};
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

const Isa* chosen(const unrolled_how* how) {
    if (!how || !how->isa || (how->dtype_bytes != 4 && how->dtype_bytes != 8) || how->threads < 1) return nullptr;
    return isa(how->isa);
}

// Calls work(kernels) for the dtype that `how` names; nothing that goes wrong inside leaves this library.
template <class F>
int32_t with_kernels(const unrolled_how* how, F work) {
    const Isa* found = chosen(how);
    if (!found) return UNROLLED_BAD_ARGUMENT;
    try {
        how->dtype_bytes == 4 ? work(found->f32) : work(found->f64);
        return UNROLLED_OK;
    } catch (const std::bad_alloc&) {
        return UNROLLED_NO_MEMORY;
    } catch (...) {
        return UNROLLED_BAD_ARGUMENT;
    }
}

template <class T>
T element(const Kernels<T>&);  // never called: the type of a table's elements

#define UNROLLED_T decltype(element(kernels))

}  // namespace
}  // namespace unrolled

int32_t unrolled_interface(void) { return UNROLLED_INTERFACE; }

const char* unrolled_isas(void) { return unrolled::isas(); }

const char* unrolled_functions(void) {
#define UNROLLED_NAME_OF(name) " " #name
    static const char names[] = UNROLLED_UNARY(UNROLLED_NAME_OF);
    return names + 1;
}

const char* unrolled_operations(void) {
    static const char names[] = UNROLLED_UNARY(UNROLLED_NAME_OF) UNROLLED_BINARY(UNROLLED_NAME_OF)
        " multiply sum dot softmax lookup one_hot";
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

using unrolled::element;
using unrolled::with_kernels;

int64_t unrolled_packed_size(const unrolled_how* how, int64_t k, int64_t n) {
    int64_t size = -1;
    with_kernels(how, [&](const auto& kernels) { size = (n + kernels.panel - 1) / kernels.panel * kernels.panel * k; });
    return size;
}

int32_t unrolled_pack(const unrolled_how* how, void* packed, const void* data, int64_t row, int64_t column, int64_t k,
                      int64_t n) {
    return with_kernels(how, [&](const auto& kernels) {
        using T = UNROLLED_T;
        kernels.pack(static_cast<T*>(packed), static_cast<const T*>(data), row, column, k, n);
    });
}

int32_t unrolled_run_rows(const unrolled_how* how, const unrolled_list* list, int64_t rows) {
    return with_kernels(how, [&](const auto& kernels) { unrolled::run_rows(kernels, how->threads, *list, rows); });
}

int32_t unrolled_run_loop(const unrolled_how* how, const unrolled_list* list, const unrolled_loop* loop) {
    return with_kernels(how, [&](const auto& kernels) { unrolled::run_loop(kernels, how->threads, *list, *loop); });
}

int32_t unrolled_outer(const unrolled_how* how, void* out, int64_t out_stride, const void* left, int64_t left_stride,
                       int64_t m, const void* right, int64_t right_stride, int64_t n, int64_t rows) {
    return with_kernels(how, [&](const auto& kernels) {
        using T = UNROLLED_T;
        unrolled::run_outer(kernels, how->threads, static_cast<T*>(out), out_stride, static_cast<const T*>(left),
                            left_stride, m, static_cast<const T*>(right), right_stride, n, rows);
    });
}

int32_t unrolled_total(const unrolled_how* how, void* out, const void* in, int64_t stride, int64_t columns, int64_t rows) {
    return with_kernels(how, [&](const auto& kernels) {
        using T = UNROLLED_T;
        unrolled::run_total(how->threads, static_cast<T*>(out), static_cast<const T*>(in), stride, columns, rows);
    });
}

int32_t unrolled_scatter(const unrolled_how* how, void* out, const void* in, int64_t stride, int64_t columns,
                         const int64_t* ids, int64_t rows) {
    return with_kernels(how, [&](const auto& kernels) {
        using T = UNROLLED_T;
        unrolled::run_scatter(how->threads, static_cast<T*>(out), static_cast<const T*>(in), stride, columns, ids, rows);
    });
}
