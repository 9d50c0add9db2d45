// parallel(n, work): work(0) … work(n - 1) at once, work(0) on the calling thread.
#pragma once
#include <functional>

namespace unrolled {

void parallel(int threads, const std::function<void(int)>& work);

}  // namespace unrolled
