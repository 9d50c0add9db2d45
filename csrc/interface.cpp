// The C interface.
#include "unrolled.h"

#include <cstring>
#include <new>
#include <vector>

#include "kernels.h"
#include "pass.h"
#include "threads.h"
#include "validation.h"

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

thread_local const char* last_refusal = nullptr;
constexpr int most_threads = 1024;

const Isa* chosen(const unrolled_how* how) {
    if (!how || !how->isa || (how->dtype_bytes != 4 && how->dtype_bytes != 8) || how->threads < 1 ||
        how->threads > most_threads)
        return nullptr;
    return isa(how->isa);
}

template <class T>
PackedSizes packed_sizes(const Kernels<T>& kernels) {
    return {kernels.whole.size, nullptr, kernels.halves.size, kernels.quarters.size};
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

using unrolled::with_kernels;

int64_t unrolled_packed_size(const unrolled_how* how, int32_t holds, int64_t rows, int64_t columns) {
    int64_t size = -1;
    with_kernels(how, [&](const auto& kernels) {
        if (rows < 0 || columns < 0 || holds < UNROLLED_NUMBERS || holds == UNROLLED_SYMBOLS || holds > UNROLLED_QUARTERS) return;
        const auto& packing = kernels.packing(holds);
        if (packing.size) size = packing.size(rows, columns);
    });
    return size;
}

void unrolled_use_openmp(void* parallel, void* index, void* size) {
    unrolled::OpenMP found;
    found.parallel = reinterpret_cast<decltype(found.parallel)>(parallel);
    found.index = reinterpret_cast<decltype(found.index)>(index);
    found.size = reinterpret_cast<decltype(found.size)>(size);
    unrolled::use_openmp(parallel && index && size ? &found : nullptr);
}

int32_t unrolled_run(const unrolled_how* how, const unrolled_pass* pass) {
    const char*& why = unrolled::last_refusal = "how a pass is to run is wrong";
    if (!pass) return UNROLLED_BAD_ARGUMENT;
    const int32_t status = with_kernels(how, [&](const auto& kernels) {
        why = unrolled::refusal(*pass, unrolled::packed_sizes(kernels), how->dtype_bytes);
        if (!why) unrolled::run(kernels, how->threads, *pass);
    });
    return status == UNROLLED_OK && why ? UNROLLED_BAD_ARGUMENT : status;
}

int32_t unrolled_write(const unrolled_how* how, const unrolled_pass* pass, const unrolled_writing* writing) {
    const char*& why = unrolled::last_refusal = "how a pass is to run is wrong";
    if (!pass || !writing || !pass->values || !pass->buffers || pass->batch < 0 || pass->buffer_count < 0)
        return UNROLLED_BAD_ARGUMENT;
    bool finite = true;
    const int32_t status = with_kernels(how, [&](const auto& kernels) {
        why = "there are no such symbols";
        if (writing->ids < 0 || writing->ids >= pass->value_count) return;
        const int32_t buffer = pass->values[writing->ids].buffer;
        if (buffer < 0 || buffer >= pass->buffer_count) return;
        // what is read comes from memory of our own, as it is written here too
        std::vector<int64_t> ids(size_t(pass->batch));
        std::vector<unrolled_buffer> buffers(pass->buffers, pass->buffers + pass->buffer_count);
        buffers[size_t(buffer)] = {ids.data(), pass->batch, 1, 1, UNROLLED_SYMBOLS, 0};
        unrolled_pass own = *pass;
        own.buffers = buffers.data();
        why = unrolled::refusal(own, *writing, unrolled::packed_sizes(kernels), how->dtype_bytes);
        if (!why)
            finite = unrolled::write(kernels, unrolled::isa(how->isa)->f64, how->threads, own, *writing, ids.data());
    });
    if (status != UNROLLED_OK) return status;
    return why ? UNROLLED_BAD_ARGUMENT : finite ? UNROLLED_OK : UNROLLED_NOT_FINITE;
}

const char* unrolled_refusal(void) { return unrolled::last_refusal ? unrolled::last_refusal : ""; }
