// A pool of threads that wait, spinning for a little while and then asleep: another process that wants the core gets it.
#include "threads.h"

#include "processor.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace unrolled {
namespace {

constexpr int spins = 2000;

class Pool {
  public:
    explicit Pool(int helpers) {
        for (int i = 1; i <= helpers; i++) std::thread([this, i] { serve(i); }).detach();
        size = helpers;
    }

    // Runs `work` on the caller and `count` helpers; one caller at a time.
    void run(int count, const std::function<void(int)>& work) {
        std::lock_guard<std::mutex> one(caller);
        {
            std::lock_guard<std::mutex> guard(mutex);
            job = &work;
            wanted = count;
            pending.store(count, std::memory_order_relaxed);
            round.fetch_add(1, std::memory_order_release);
        }
        wake.notify_all();
        attempt(work, 0);
        for (int i = 0; pending.load(std::memory_order_acquire); i++) pause(i);
        if (std::exception_ptr thrown = std::exchange(failure, nullptr)) std::rethrow_exception(thrown);
    }

    int size;

  private:
    // What one thread throws is thrown by run, after all have ended.
    void attempt(const std::function<void(int)>& work, int index) {
        try {
            work(index);
        } catch (...) {
            std::lock_guard<std::mutex> guard(mutex);
            failure = std::current_exception();
        }
    }

    void serve(int index) {
        for (unsigned seen = 0;; ) {
            for (int i = 0; i < spins && round.load(std::memory_order_acquire) == seen; i++) pause(i);
            const std::function<void(int)>* work = nullptr;
            {
                std::unique_lock<std::mutex> lock(mutex);
                wake.wait(lock, [&] { return round.load(std::memory_order_acquire) != seen; });
                seen = round.load(std::memory_order_acquire);
                if (index <= wanted) work = job;
            }
            if (!work) continue;
            attempt(*work, index);
            pending.fetch_sub(1, std::memory_order_release);
        }
    }

    std::mutex caller, mutex;
    std::condition_variable wake;
    const std::function<void(int)>* job = nullptr;
    std::exception_ptr failure;
    int wanted = 0;
    std::atomic<unsigned> round{0};
    std::atomic<int> pending{0};
};

// Threads do not survive fork(): a child makes its own. Pools are never destroyed, as their threads never end.
Pool& pool(int helpers) {
    static std::mutex mutex;
    static Pool* current = nullptr;
    static pid_t owner = 0;
    std::lock_guard<std::mutex> guard(mutex);
    if (!current || owner != getpid() || current->size < helpers) {
        current = new Pool(helpers);
        owner = getpid();
    }
    return *current;
}

}  // namespace

void pause(int times) {
    if (times >= spins)
        sched_yield();
    else
        relax();
}

void Barrier::wait() {
    const unsigned now = round.load(std::memory_order_relaxed);
    if (arrived.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
        arrived.store(0, std::memory_order_relaxed);
        round.store(now + 1, std::memory_order_release);
    } else {
        for (int i = 0; round.load(std::memory_order_acquire) == now; i++) pause(i);
    }
}

void parallel(int threads, const std::function<void(int)>& work) {
    if (threads <= 1)
        work(0);
    else
        pool(threads - 1).run(threads - 1, work);
}

}  // namespace unrolled
