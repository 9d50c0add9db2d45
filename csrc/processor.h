// What depends on the kind of processor, beside the instruction sets of isa.cpp.
#pragma once
#include <cstdint>

namespace unrolled {

// Tells the processor that this thread only waits.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

// While one of these lives, numbers too small for a normalised float count as 0 on this thread: states and gradients
// that vanish would otherwise make every operation many times slower.
class NoDenormals {
  public:
#if defined(__x86_64__)
    NoDenormals() : before(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before | 0x8040u); }
    ~NoDenormals() { __builtin_ia32_ldmxcsr(before); }

  private:
    unsigned before;
#elif defined(__aarch64__)
    NoDenormals() {
        __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
        __asm__ __volatile__("msr fpcr, %0" : : "r"(before | (std::uint64_t(1) << 24)));
    }
    ~NoDenormals() { __asm__ __volatile__("msr fpcr, %0" : : "r"(before)); }

  private:
    std::uint64_t before;
#else
    NoDenormals() {}
    ~NoDenormals() {}
#endif
};

}  // namespace unrolled
