// Threads that work side by side.
#pragma once
#include <atomic>
#include <functional>

namespace unrolled {

// work(0) … work(threads - 1) at once, work(0) on the calling thread.
void parallel(int threads, const std::function<void(int)>& work);

// An OpenMP runtime: GOMP_parallel, omp_get_thread_num, omp_get_num_threads.
struct OpenMP {
    void (*parallel)(void (*work)(void*), void* data, unsigned threads, unsigned flags);
    int (*index)();
    int (*size)();
};

// From now on parallel() uses this runtime, or with nullptr its own threads. Not while parallel() runs.
void use_openmp(const OpenMP* found);

// Lets `size` threads wait for each other.
class Barrier {
  public:
    explicit Barrier(int size) : size(size) {}

    // Returns when all threads have come here.
    void wait();

  private:
    const int size;
    alignas(128) std::atomic<int> arrived{0};
    alignas(128) std::atomic<unsigned> round{0};
};

// Called while waiting for another thread, with the number of times so far: gives the core away after a little while.
void pause(int times);

}  // namespace unrolled
