#include "kernels/cpu/parallel.h"

#include <algorithm>
#include <exception>
#include <mutex>

#include "kernels/cpu/thread_pool.h"

namespace rsir {
namespace {

using namespace std::chrono_literals;

constexpr auto kPollInterval = 10ms;

// What the threads of one parallel_for share.
struct Team {
    const Context& context;
    const std::int64_t tasks;
    const std::function<void(std::int64_t, Poll&)>& body;

    std::atomic<std::int64_t> next{0};
    std::atomic<bool> stopped{false};
    std::mutex mutex{};
    std::exception_ptr error{};

    void work(bool is_caller) {
        const DefaultFloatEnvironment environment;
        Poll poll(context, stopped, is_caller);
        try {
            for (std::int64_t task; !poll.stop() && (task = next.fetch_add(1)) < tasks;) body(task, poll);
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            if (!error) error = std::current_exception();
            stopped = true;
        }
    }
};

}  // namespace

bool Poll::stop() {
    if (stopped_.load(std::memory_order_relaxed)) return true;
    if (!is_caller_ || context_.interrupted == nullptr) return false;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < kPollInterval) return false;
    last_ = now;
    if (context_.interrupted()) stopped_ = true;
    return stopped_;
}

Status parallel_for(const Context& context, std::int64_t tasks, const std::function<void(std::int64_t, Poll&)>& body) {
    Team team{context, tasks, body};
    const auto wanted = static_cast<int>(std::min<std::int64_t>(context.threads, tasks) - 1);
    if (wanted < 1) {
        team.work(true);
    } else {
        Helpers helpers(wanted, [&team] { team.work(false); });
        team.work(true);
        // The caller may finish first; it goes on polling so that Ctrl-C reaches the helpers.
        for (Poll poll(context, team.stopped, true); !helpers.finished(kPollInterval);) poll.stop();
    }
    if (team.error) std::rethrow_exception(team.error);
    return team.stopped ? Status::interrupted : Status::ok;
}

}  // namespace rsir
