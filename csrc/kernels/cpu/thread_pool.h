// The threads that help a caller: one pool for the process, made on first use, grown on demand, never ended.
//
// A caller never waits for another one's job: it is lent the threads that are idle now, at worst none. So calls from
// many threads, and calls within calls, share the pool without deadlock and without more threads than one call asked
// for. The pool lives beside those of other libraries: an idle thread sleeps, after at most kSpin of waiting for the
// next job if the last one came that quickly. A forked child makes a pool of its own. At exit nothing is joined or
// destroyed.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

namespace rsir {

// To be asked by a thread before it does what may throw. The first exception of a thread takes a few bytes for the
// state that the C++ runtime keeps of it, and glibc ends the process where there are none: they are taken here, where
// there is memory. False where there is none.
bool can_throw();

class Worker;

// The threads lent for one job.
class Helpers {
  public:
    // Up to `wanted` >= 1 idle threads call work() at most once each, beginning at once; `work` must not throw. A
    // thread that has no memory to live on leaves its call out.
    Helpers(int wanted, std::function<void()> work);
    // Waits until finished() and returns the threads.
    ~Helpers();
    Helpers(const Helpers&) = delete;
    Helpers& operator=(const Helpers&) = delete;

    // For the caller that has no work left: true when every helper has ended; helpers that have not begun do not begin.
    // False when `timeout` has passed before that.
    bool finished(std::chrono::milliseconds timeout);

  private:
    friend class Worker;
    void help(bool able);
    void wake_rest();
    void withdraw();

    const std::function<void()> work_;
    std::vector<Worker*> crew_;
    bool spin_ = false;  // as many cores as threads, so that waiting in a loop costs nobody anything
    bool withdrawn_ = false;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::atomic<std::size_t> next_wake_{0};
    std::atomic<std::size_t> running_{0};
    std::mutex mutex_;
    std::condition_variable done_;
};

}  // namespace rsir
