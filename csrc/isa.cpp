// Which instruction sets this library was compiled for, and which of them this machine has. The only file that knows
// the names of processors.
#include <cstring>

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
#endif

namespace {

// The best last.
struct Candidate {
    const Isa* table;
    bool (*runs)();
};

const Candidate candidates[] = {
    {&generic::table, [] { return true; }},
#ifdef UNROLLED_X86
    {&avx2::table,
     [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"); }},
    {&avx512::table,
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
     }},
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
