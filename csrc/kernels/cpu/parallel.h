// Runs independent tasks on threads, with a clean floating-point environment and prompt interruption.
#pragma once

#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdint>
#include <functional>

#include "kernels/context.h"

namespace rsir {

// A host program may have switched on flush-to-zero (torch.set_flush_denormal) or another rounding mode; either would
// change the bits of an answer. parallel_for sets this around every task.
class DefaultFloatEnvironment {
  public:
#if defined(__x86_64__)
    // The register of SSE alone: the x87, which no kernel uses, takes ten times as long.
    DefaultFloatEnvironment() : saved_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(0x1f80); }
    ~DefaultFloatEnvironment() { __builtin_ia32_ldmxcsr(saved_); }
#else
    DefaultFloatEnvironment() {
        std::fegetenv(&saved_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~DefaultFloatEnvironment() { std::fesetenv(&saved_); }
#endif
    DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
    DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

  private:
#if defined(__x86_64__)
    unsigned saved_;
#else
    std::fenv_t saved_;
#endif
};

// Handed to each task; long tasks ask stop() every millisecond or so and return early when it is true.
class Poll {
  public:
    Poll(const Context& context, std::atomic<bool>& stopped, bool is_caller)
        : context_(context), stopped_(stopped), is_caller_(is_caller) {}

    bool stop();

  private:
    const Context& context_;
    std::atomic<bool>& stopped_;
    bool is_caller_;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Calls body(task, poll) once for every task in [0, tasks), on up to context.threads threads: the caller and idle
// threads of the pool (thread_pool.h), which may be none. Safe from any thread, within a task, and in a forked child
// (but not in one that context.interrupted itself forks, in the midst of a call).
// The first exception thrown by a task is rethrown here after all threads have ended.
Status parallel_for(const Context& context, std::int64_t tasks, const std::function<void(std::int64_t, Poll&)>& body);

}  // namespace rsir
