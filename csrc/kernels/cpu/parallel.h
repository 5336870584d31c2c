// Runs independent tasks on threads, with a clean floating-point environment and prompt interruption.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include "kernels/context.h"

namespace rsir {

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

// Calls body(task, poll) once for every task in [0, tasks), on up to context.threads threads, the caller among them.
// The first exception thrown by a task is rethrown here after all threads have ended.
Status parallel_for(const Context& context, std::int64_t tasks, const std::function<void(std::int64_t, Poll&)>& body);

}  // namespace rsir
