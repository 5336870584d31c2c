#include "kernels/cpu/parallel.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

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
    std::condition_variable done{};
    int running = 0;
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
    std::vector<std::thread> helpers;
    const auto helper = [&team] {
        team.work(false);
        const std::lock_guard<std::mutex> lock(team.mutex);
        --team.running;
        team.done.notify_one();
    };
    try {
        const std::int64_t wanted = std::min<std::int64_t>(context.threads, tasks) - 1;
        helpers.reserve(static_cast<std::size_t>(std::max<std::int64_t>(0, wanted)));
        for (std::int64_t t = 0; t < wanted && team.next < tasks; ++t) {
            const std::lock_guard<std::mutex> lock(team.mutex);
            helpers.emplace_back(helper);
            ++team.running;
        }
    } catch (const std::exception&) {
        // The machine grants no more threads or memory for them: the threads we have do the work.
    }
    team.work(true);
    // The caller may finish first; it goes on polling so that Ctrl-C reaches the helpers.
    Poll poll(context, team.stopped, true);
    for (std::unique_lock<std::mutex> lock(team.mutex); team.running > 0;) {
        team.done.wait_for(lock, kPollInterval);
        lock.unlock();
        poll.stop();
        lock.lock();
    }
    for (std::thread& thread : helpers) thread.join();
    if (team.error) std::rethrow_exception(team.error);
    return team.stopped ? Status::interrupted : Status::ok;
}

}  // namespace rsir
