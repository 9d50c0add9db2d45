// Which instruction sets this library was compiled for, and which of them this machine has. The only file that knows
// the names of processors.
#include <cstring>

#ifdef UNROLLED_X86
#include <cpuid.h>
#endif
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "kernels.h"

namespace unrolled {

#define UNROLLED_TABLE(name) \
    namespace name {         \
    extern const Isa table;  \
    }
UNROLLED_TABLE(generic)
#ifdef UNROLLED_X86
UNROLLED_TABLE(avx2)
UNROLLED_TABLE(avx512)
UNROLLED_TABLE(avx512_bf16)
UNROLLED_TABLE(amx)
#endif

namespace {

// The best last.
struct Candidate {
    const Isa* table;
    bool (*runs)();
};

#ifdef UNROLLED_X86
bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

// Bits of the processor's answer to question 7: not every compiler knows their names.
bool has_avx512_bf16() {
    unsigned a, b, c, d;
    return has_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1) /* VNNI */ &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

// The system keeps tiles only for a process that asks for them, once. From then on an alternate signal stack must have room
// for them (12 KiB); where one is smaller already the system refuses.
bool has_amx() {
#ifdef __linux__
    constexpr long ask = 0x1023, tiles = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    unsigned a, b, c, d;
    static const bool has = has_avx512_bf16() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) /* bf16 */ &&
                            (d >> 24 & 1) /* tiles */ && syscall(SYS_arch_prctl, ask, tiles) == 0;
    return has;
#else
    return false;
#endif
}
#endif

const Candidate candidates[] = {
    {&generic::table, [] { return true; }},
#ifdef UNROLLED_X86
    {&avx2::table, has_avx2},
    {&avx512::table, has_avx512},
    {&avx512_bf16::table, has_avx512_bf16},
    {&amx::table, has_amx},
#endif
};

}  // namespace

const Isa* isa(const char* name) {
    for (const Candidate& each : candidates)
        if (!std::strcmp(each.table->name, name) && each.runs()) return each.table;
    return nullptr;
}

const char* isas() {
    static char names[64];
    static const bool once = [] {
        for (const Candidate& each : candidates) {
            if (!each.runs()) continue;
            if (names[0]) std::strcat(names, " ");
            std::strcat(names, each.table->name);
        }
        return true;
    }();
    (void)once;
    return names;
}

}  // namespace unrolled
