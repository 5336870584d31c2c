#include "kernels/cpu/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <thread>

namespace rsir {
namespace {

using Clock = std::chrono::steady_clock;

// About what waking a sleeping thread costs: waiting longer than that in a loop never pays.
constexpr auto kSpin = std::chrono::microseconds(50);

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

template <class Condition>
bool spin_until(const Condition& condition) {
    const auto end = Clock::now() + kSpin;
    do {
        for (int i = 0; i < 16; ++i) {
            if (condition()) return true;
            relax();
        }
    } while (Clock::now() < end);
    return condition();
}

// Signals are for the threads of the program; only those that a thread raises itself may reach a helper.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&all, own);
        pthread_sigmask(SIG_SETMASK, &all, &saved_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t saved_;
};

constexpr std::size_t kThrowRoom = 1 << 14;  // far more than the runtime takes

}  // namespace

bool can_throw() {
    void* room = std::malloc(kThrowRoom);
    asm volatile("" : "+r"(room));  // or the compiler drops a pair of calls without use
    if (room == nullptr) return false;
    std::free(room);
    return std::uncaught_exceptions() >= 0;  // takes the state, out of the room just left
}

class Worker {
  public:
    // Throws std::system_error where the machine grants no more threads.
    explicit Worker(const cpu_set_t& cpus) : cpus_(cpus) {
        std::thread thread([this] { serve(); });
        handle_ = thread.native_handle();
        pthread_setname_np(handle_, "rsir_fast");
        thread.detach();
    }

    // A thread runs where its caller may run, even if the caller's cores have changed since.
    void move_to(const cpu_set_t& cpus) {
        if (CPU_EQUAL(&cpus, &cpus_)) return;
        if (pthread_setaffinity_np(handle_, sizeof cpus, &cpus) == 0) cpus_ = cpus;
    }

    void assign(Helpers* job) {
        spin_ = job->spin_ && job->begin_ - last_used_.load() < kSpin;
        job_ = job;
        if (!parked_) return;
        // With the lock taken once, the worker is either asleep or has yet to look at job_.
        {
            const std::lock_guard<std::mutex> lock(mutex_);
        }
        wake_.notify_one();
    }

    // True if the worker had not begun, and now never will.
    bool withdraw(Helpers* job) {
        if (!job_.compare_exchange_strong(job, nullptr)) return false;
        last_used_ = Clock::now();
        return true;
    }

  private:
    [[noreturn]] void serve() {
        const auto called = [this] { return job_ != nullptr; };
        for (bool able = false;;) {
            if (!spin_ || !spin_until(called)) {
                std::unique_lock<std::mutex> lock(mutex_);
                parked_ = true;  // before job_ is read, as assign() reads parked_ after it has set job_
                wake_.wait(lock, called);
                parked_ = false;
            }
            Helpers* job = job_.exchange(nullptr);
            if (job == nullptr) continue;
            able = able || can_throw();
            job->help(able);
            last_used_ = Clock::now();
        }
    }

    std::atomic<Helpers*> job_{nullptr};
    std::atomic<bool> parked_{false};
    std::atomic<bool> spin_{false};  // the last job came soon after the one before
    std::atomic<Clock::time_point> last_used_{Clock::time_point{}};
    std::mutex mutex_;
    std::condition_variable wake_;
    pthread_t handle_{};
    cpu_set_t cpus_;
};

namespace {

class Pool {
  public:
    // Up to `wanted` idle workers; new ones only while there are fewer than `wanted` in all.
    std::vector<Worker*> lend(int wanted, const cpu_set_t& cpus) {
        const auto count = static_cast<std::size_t>(wanted);
        std::vector<Worker*> crew;
        const std::lock_guard<std::mutex> lock(mutex_);
        try {
            crew.reserve(count);
        } catch (const std::bad_alloc&) {
            return crew;
        }
        for (; crew.size() < count && !idle_.empty(); idle_.pop_back()) crew.push_back(idle_.back());
        try {
            idle_.reserve(std::max(workers_.size(), count));  // so that take_back() cannot fail
            workers_.reserve(std::max(workers_.size(), count));
            const SignalsBlocked blocked;
            while (crew.size() < count && workers_.size() < count) {
                workers_.push_back(std::make_unique<Worker>(cpus));
                crew.push_back(workers_.back().get());
            }
        } catch (const std::exception&) {
            // The machine grants no more threads or memory for them: those we have do the work.
        }
        return crew;
    }

    void take_back(const std::vector<Worker*>& crew) {
        const std::lock_guard<std::mutex> lock(mutex_);
        idle_.insert(idle_.end(), crew.rbegin(), crew.rend());
    }

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<Worker*> idle_;
};

// A plain pointer, without the lock of a static object that a fork could catch in a closed state.
std::atomic<Pool*> the_pool{nullptr};

// The threads of the parent are not in the child, and its locks may be in any state: forget them.
[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] { the_pool = nullptr; });

Pool& pool() {
    Pool* current = the_pool;
    if (current != nullptr) return *current;
    auto made = std::make_unique<Pool>();
    if (the_pool.compare_exchange_strong(current, made.get())) current = made.release();
    return *current;
}

}  // namespace

Helpers::Helpers(int wanted, std::function<void()> work) : work_(std::move(work)) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    const bool known = sched_getaffinity(0, sizeof cpus, &cpus) == 0;
    crew_ = pool().lend(wanted, cpus);
    spin_ = known && CPU_COUNT(&cpus) > static_cast<int>(crew_.size());
    if (known) {
        for (Worker* worker : crew_) worker->move_to(cpus);
    }
    running_ = crew_.size();
    wake_rest();
}

Helpers::~Helpers() {
    while (!finished(std::chrono::seconds(1))) continue;
    pool().take_back(crew_);
}

// Everyone who is awake wakes others, so that a large crew starts in logarithmic time.
void Helpers::wake_rest() {
    for (std::size_t i; (i = next_wake_.fetch_add(1)) < crew_.size();) crew_[i]->assign(this);
}

void Helpers::help(bool able) {
    wake_rest();
    if (able) work_();
    // Under the lock: the caller, who takes it too, destroys this object only when we have left it.
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--running_ == 0) done_.notify_one();
}

void Helpers::withdraw() {
    if (withdrawn_) return;
    withdrawn_ = true;
    const std::size_t woken = std::min(next_wake_.exchange(crew_.size()), crew_.size());
    std::size_t unused = crew_.size() - woken;
    for (std::size_t i = 0; i < woken; ++i) unused += crew_[i]->withdraw(this);
    running_ -= unused;
}

bool Helpers::finished(std::chrono::milliseconds timeout) {
    withdraw();
    const auto ended = [this] { return running_ == 0; };
    if (spin_) spin_until(ended);
    std::unique_lock<std::mutex> lock(mutex_);
    return done_.wait_for(lock, timeout, ended);
}

}  // namespace rsir
