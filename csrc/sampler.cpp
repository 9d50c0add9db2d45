#include "sampler.h"

#include <algorithm>
#include <numeric>

namespace unrolled {

double draw(uint64_t seed, uint64_t stream, uint64_t position) {
    constexpr uint64_t first = 0xD2E7470EE14C6C93u, second = 0xCA5A826395121157u;
    constexpr uint64_t first_step = 0x9E3779B97F4A7C15u, second_step = 0xBB67AE8584CAA73Bu;
    uint64_t key[2] = {seed, stream};
    uint64_t counter[4] = {position + 1, position + 1 == 0, 0, 0};
    for (int round = 0; round < 10; round++) {
        const auto a = static_cast<unsigned __int128>(first) * counter[0];
        const auto b = static_cast<unsigned __int128>(second) * counter[2];
        counter[0] = uint64_t(b >> 64) ^ counter[1] ^ key[0];
        counter[2] = uint64_t(a >> 64) ^ counter[3] ^ key[1];
        counter[1] = uint64_t(b);
        counter[3] = uint64_t(a);
        key[0] += first_step;
        key[1] += second_step;
    }
    return double(counter[0] >> 11) * 0x1p-53;
}

Sampler::Sampler(const Kernels<double>& kernels, const unrolled_writing& how, int64_t symbols)
    : k(kernels), how(how), symbols(symbols), p(size_t(symbols)), order(size_t(how.top_k || how.top_p < 1 ? symbols : 0)) {}

template <class T>
int64_t Sampler::choose(const T* logits, double u, double& probability) {
    T largest = logits[0], rest = 0;
    for (int64_t i = 0; i < symbols; i++) {
        largest = std::max(largest, logits[i]);
        rest += logits[i] - logits[i];  // 0 but for what is not finite
    }
    if (!(rest == 0)) return -1;
    if (how.temperature == 0) {
        probability = 1;
        return std::find(logits, logits + symbols, largest) - logits;
    }
    const double inverse = 1 / how.temperature;
    for (int64_t i = 0; i < symbols; i++) p[size_t(i)] = (double(logits[i]) - double(largest)) * inverse;
    k.exp(p.data(), symbols, {p.data(), std::ptrdiff_t(symbols), false}, 1, symbols, 0, 0);
    if (!order.empty()) keep();
    double sum = 0;
    for (double& each : p) sum += each;
    const double wanted = u * sum;
    double below = 0;
    int64_t found = 0;
    for (int64_t i = 0; i < symbols; i++) {
        if (p[size_t(i)] <= 0) continue;
        found = i;  // the last one of all if rounding carries u · sum up to the sum itself
        below += p[size_t(i)];
        if (wanted < below) break;
    }
    probability = p[size_t(found)] / sum;
    return found;
}

// Sets what top_k and top_p leave out to 0; of equals those with the smaller number stay.
void Sampler::keep() {
    std::iota(order.begin(), order.end(), int64_t(0));
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return p[size_t(a)] > p[size_t(b)]; });
    int64_t count = how.top_k ? std::min(how.top_k, symbols) : symbols;
    if (how.top_p < 1) {
        const double enough = how.top_p * std::accumulate(p.begin(), p.end(), 0.0);
        double sum = 0;
        for (int64_t i = 0; i < count; i++) {
            sum += p[size_t(order[size_t(i)])];
            if (sum >= enough) count = i + 1;
        }
    }
    for (int64_t i = count; i < symbols; i++) p[size_t(order[size_t(i)])] = 0;
}

template int64_t Sampler::choose<float>(const float*, double, double&);
template int64_t Sampler::choose<double>(const double*, double, double&);

}  // namespace unrolled
