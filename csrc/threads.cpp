// A pool of threads that wait, spinning for a little while and then asleep: another process that wants the core gets it.
// Where the process already has a team of OpenMP threads, that team is used instead: its threads go on spinning for a while
// after their work, and two teams would take the processors from each other.
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

std::atomic<const OpenMP*> openmp{nullptr};
pid_t openmp_owner = 0;

struct Region {
    const OpenMP& openmp;
    const int threads;
    const std::function<void(int)>& work;
    std::mutex mutex;
    std::exception_ptr failure;
    bool whole;

    static void run(void* data) {
        Region& self = *static_cast<Region*>(data);
        const int index = self.openmp.index();
        // a region inside another one, or one under a limit, gets fewer threads than it asks for
        const bool whole = self.openmp.size() == self.threads;
        if (!index) self.whole = whole;
        if (!whole) return;
        try {
            self.work(index);
        } catch (...) {
            std::lock_guard<std::mutex> guard(self.mutex);
            self.failure = std::current_exception();
        }
    }
};

// False where OpenMP gave too few threads: then nothing was run.
bool run_openmp(const OpenMP& openmp, int threads, const std::function<void(int)>& work) {
    Region region{openmp, threads, work, {}, nullptr, false};
    openmp.parallel(Region::run, &region, unsigned(threads), 0);
    if (region.failure) std::rethrow_exception(region.failure);
    return region.whole;
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

void use_openmp(const OpenMP* found) {
    static OpenMP kept;
    openmp.store(nullptr);
    if (!found) return;
    kept = *found;
    openmp_owner = getpid();
    openmp.store(&kept);
}

void parallel(int threads, const std::function<void(int)>& work) {
    if (threads <= 1) return work(0);
    const OpenMP* team = openmp.load();
    // OpenMP's threads do not survive fork() either, and its runtime does not notice
    if (!team || openmp_owner != getpid() || !run_openmp(*team, threads, work)) pool(threads - 1).run(threads - 1, work);
}

}  // namespace unrolled
