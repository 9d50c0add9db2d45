// What this machine can do at most: fused multiply-adds of float, billions of operations a second, on one thread and on
// all; and gigabytes a second that one thread reads, from memory of growing size.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <thread>
#include <vector>

#ifndef BYTES
#define BYTES 16
#endif
typedef float V __attribute__((vector_size(BYTES)));
constexpr int width = BYTES / sizeof(float), chains = 20;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double gigaflops() {
    V sum[chains], x = V{} + 0.999f, y = V{} + 1e-3f;
    for (int i = 0; i < chains; i++) sum[i] = V{} + float(i);
    const long times = 10000000;
    const double start = seconds();
    for (long n = 0; n < times; n++) {
#pragma GCC unroll 20
        for (int i = 0; i < chains; i++) sum[i] = sum[i] * x + y;
    }
    const double taken = seconds() - start;
    V all{};
    for (const V& each : sum) all += each;
    volatile float keep = all[0];
    (void)keep;
    return double(times) * chains * width * 2 / taken / 1e9;
}

double together(int threads) {
    std::vector<double> found(threads);
    std::vector<std::thread> running;
    for (int i = 0; i < threads; i++) running.emplace_back([&found, i] { found[i] = gigaflops(); });
    for (std::thread& each : running) each.join();
    double sum = 0;
    for (double each : found) sum += each;
    return sum;
}

double gigabytes(size_t kib) {
    std::vector<V> data(kib * 1024 / BYTES, V{} + 1.0f);
    V sum[8]{};
    const size_t times = size_t(1 << 21) / kib + 1;
    const double start = seconds();
    for (size_t n = 0; n < times; n++)
        for (size_t i = 0; i + 8 <= data.size(); i += 8) {
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++) sum[j] += data[i + j];
        }
    const double taken = seconds() - start;
    V all{};
    for (const V& each : sum) all += each;
    volatile float keep = all[0];
    (void)keep;
    return double(times) * double(kib) * 1024 / taken / 1e9;
}

int main(int, char** arguments) {
    const int threads = std::atoi(arguments[1]);
    gigaflops();
    std::printf("{\"gflops\": %.1f, \"gflops_all\": %.1f, \"gbytes\": {", gigaflops(), together(threads));
    const char* comma = "";
    for (size_t kib : {32, 1024, 4096, 65536}) {
        std::printf("%s\"%zu\": %.1f", comma, kib, gigabytes(kib));
        comma = ", ";
    }
    std::printf("}}\n");
}
