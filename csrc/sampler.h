// The choice of a symbol: random numbers that depend on where they are used and on nothing else, and the inverse of the
// cumulative distribution, in double precision.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels.h"
#include "unrolled.h"

namespace unrolled {

// The number in [0, 1) that belongs to (seed, stream, position): the upper 53 bits of the first word of the Philox4x64-10
// block with key (seed, stream) and counter position + 1 (Salmon et al. 2011).
double draw(uint64_t seed, uint64_t stream, uint64_t position);

class Sampler {
  public:
    Sampler(const Kernels<double>& kernels, const unrolled_writing& how, int64_t symbols);

    // The symbol at u of the distribution of some logits, and its probability; -1 where a logit is not finite.
    template <class T>
    int64_t choose(const T* logits, double u, double& probability);

  private:
    void keep();

    const Kernels<double>& k;
    const unrolled_writing& how;
    const int64_t symbols;
    std::vector<double> p;
    std::vector<int64_t> order;
};

}  // namespace unrolled
