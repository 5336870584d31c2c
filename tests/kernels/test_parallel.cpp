#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "check.h"
#include "kernels/cpu/parallel.h"

using namespace rsir;
using namespace rsir::test;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

void wait_until(const std::atomic<bool>& flag) {
    while (!flag) std::this_thread::sleep_for(100us);
}

// Whether every task ran once.
bool runs_each_task_once(int threads, std::int64_t tasks) {
    std::vector<std::atomic<int>> count(static_cast<std::size_t>(tasks));
    const Status status = parallel_for(Context{threads}, tasks,
                                       [&](std::int64_t task, Poll&) { ++count[static_cast<std::size_t>(task)]; });
    bool once = status == Status::ok;
    for (const auto& times : count) once = once && times == 1;
    return once;
}

}  // namespace

TEST(each_task_once) {
    for (int round = 0; round < (reduced() ? 20 : 200); ++round) {
        for (const int threads : {-1, 0, 1, 2, 3, 9}) {
            for (const std::int64_t tasks : {0, 1, 2, 3, 100}) CHECK(runs_each_task_once(threads, tasks));
        }
    }
}

TEST(threads_help) {
    std::mutex mutex;
    std::set<std::thread::id> ran;
    std::atomic<bool> all{false};
    parallel_for(Context{3}, 3, [&](std::int64_t, Poll&) {
        {
            const std::lock_guard<std::mutex> lock(mutex);
            ran.insert(std::this_thread::get_id());
            all = ran.size() == 3;
        }
        wait_until(all);
    });
    CHECK(ran.size() == 3);
}

// After a pause for which no thread waits awake, too.
TEST(sleeping_threads_help) {
    for (const auto pause : {0us, 30us, 300us, 30000us}) {
        std::this_thread::sleep_for(pause);
        std::atomic<int> arrived{0};
        parallel_for(Context{2}, 2, [&](std::int64_t, Poll&) {
            ++arrived;
            while (arrived < 2) std::this_thread::sleep_for(10us);
        });
        CHECK(arrived == 2);
    }
}

TEST(idle_threads_sleep) {
    runs_each_task_once(8, 1000);
    std::this_thread::sleep_for(20ms);
    const std::clock_t before = std::clock();  // of all threads together
    std::this_thread::sleep_for(200ms);
    CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);
}

TEST(the_first_exception_is_thrown) {
    for (const int threads : {1, 2, 5}) {
        std::atomic<int> ran{0};
        bool caught = false;
        try {
            parallel_for(Context{threads}, 100000, [&](std::int64_t task, Poll&) {
                ++ran;
                if (task == 7) throw std::runtime_error("task 7");
                if (task > 7) std::this_thread::sleep_for(50us);
            });
        } catch (const std::runtime_error& error) {
            caught = std::string(error.what()) == "task 7";
        }
        CHECK(caught);
        CHECK(ran < 100000);
        CHECK(runs_each_task_once(threads, 100));
    }
}

// Only the caller asks, and what it learns reaches every thread, even if the caller has no task left.
TEST(interruption) {
    static std::atomic<bool> asked_elsewhere{false};
    static std::thread::id caller;
    caller = std::this_thread::get_id();
    for (const int threads : {1, 2, 5}) {
        Context context{threads};
        context.interrupted = [] {
            if (std::this_thread::get_id() != caller) asked_elsewhere = true;
            return true;
        };
        const auto begin = Clock::now();
        const Status status = parallel_for(context, 50, [](std::int64_t, Poll& poll) {
            while (!poll.stop()) std::this_thread::sleep_for(100us);
        });
        CHECK(status == Status::interrupted);
        CHECK(Clock::now() - begin < 5s);
    }
    std::atomic<bool> helper_began{false};
    Context context{2};
    context.interrupted = [] { return true; };
    const Status status = parallel_for(context, 2, [&](std::int64_t, Poll& poll) {
        if (std::this_thread::get_id() == caller) return wait_until(helper_began);
        helper_began = true;
        while (!poll.stop()) std::this_thread::sleep_for(100us);
    });
    CHECK(status == Status::interrupted);
    CHECK(!asked_elsewhere);
}

TEST(not_interrupted) {
    Context context{2};
    context.interrupted = [] { return false; };
    CHECK(parallel_for(context, 4, [](std::int64_t, Poll&) { std::this_thread::sleep_for(15ms); }) == Status::ok);
}

TEST(nested) {
    std::atomic<int> count{0};
    parallel_for(Context{4}, 10, [&](std::int64_t, Poll&) {
        parallel_for(Context{4}, 10,
                     [&](std::int64_t, Poll&) { parallel_for(Context{4}, 10, [&](std::int64_t, Poll&) { ++count; }); });
    });
    CHECK(count == 1000);
}

TEST(concurrent_callers) {
    std::vector<std::thread> callers;
    std::atomic<bool> good{true};
    for (int caller = 0; caller < 6; ++caller) {
        callers.emplace_back([&good, caller] {
            for (int i = 0; i < 200; ++i) good = runs_each_task_once(1 + caller, i % 40) && good;
        });
    }
    for (std::thread& thread : callers) thread.join();
    CHECK(good);
}

// While one job holds every thread of the pool, another one runs and ends.
TEST(no_caller_waits_for_another) {
    std::atomic<int> held{0};
    std::atomic<bool> release{false};
    std::thread holder([&] {
        parallel_for(Context{9}, 9, [&](std::int64_t, Poll&) {
            ++held;
            wait_until(release);
        });
    });
    while (held < 9) std::this_thread::sleep_for(100us);
    CHECK(runs_each_task_once(9, 100));
    CHECK(!release);
    release = true;
    holder.join();
}

// RSIR_TEST_NO_FORK=1: neither ThreadSanitizer ("dup thread with used id") nor qemu-user 7.2 (assertions of its own)
// can start threads in the child of a process with threads.
TEST(forked_child) {
    if (std::getenv("RSIR_TEST_NO_FORK") != nullptr) return;
    CHECK(runs_each_task_once(3, 100));
    std::atomic<bool> stop{false};
    std::atomic<int> rounds{0};
    std::thread busy([&] {  // so that the fork meets locks in use
        for (; !stop; ++rounds) runs_each_task_once(2, 10);
    });
    for (int i = 0; i < (reduced() ? 5 : 50); ++i) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(60);
            bool good = runs_each_task_once(3, 100);
            const pid_t grandchild = fork();
            if (grandchild == 0) _exit(runs_each_task_once(3, 100) ? 0 : 1);
            int status = 1;
            waitpid(grandchild, &status, 0);
            good = good && status == 0;
            _exit(good ? 0 : 1);
        }
        int status = 1;
        waitpid(child, &status, 0);
        CHECK(status == 0);
        CHECK(runs_each_task_once(3, 100));
    }
    stop = true;
    busy.join();
}

TEST(threads_follow_their_caller_to_its_cores) {
    cpu_set_t before;
    if (sched_getaffinity(0, sizeof before, &before) != 0 || CPU_COUNT(&before) < 2) return;
    runs_each_task_once(4, 100);
    int first = 0;
    while (!CPU_ISSET(first, &before)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    const auto on_cores = [](const cpu_set_t& expected) {
        std::atomic<int> arrived{0}, wrong{0};
        parallel_for(Context{3}, 3, [&](std::int64_t, Poll&) {
            cpu_set_t mine;
            sched_getaffinity(0, sizeof mine, &mine);
            wrong += !CPU_EQUAL(&mine, &expected);
            ++arrived;
            while (arrived < 3) std::this_thread::sleep_for(100us);
        });
        return wrong == 0;
    };
    CHECK(on_cores(before));
    sched_setaffinity(0, sizeof one, &one);
    CHECK(on_cores(one));
    sched_setaffinity(0, sizeof before, &before);
    CHECK(on_cores(before));
}

TEST(signals_reach_the_program_only) {
    std::atomic<int> arrived{0}, open{0};
    const auto caller = std::this_thread::get_id();
    parallel_for(Context{3}, 3, [&](std::int64_t, Poll&) {
        sigset_t blocked;
        pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        if (std::this_thread::get_id() != caller)
            open += !sigismember(&blocked, SIGINT) + sigismember(&blocked, SIGSEGV);
        ++arrived;
        while (arrived < 3) std::this_thread::sleep_for(100us);
    });
    CHECK(open == 0);
}

TEST(tasks_run_in_the_default_float_environment) {
    each_context([](const Context& context) {
        std::atomic<int> wrong{0};
        parallel_for(context, 20, [&](std::int64_t, Poll&) {
            volatile double tiny = 1e-310, one = 1.0, third = 3.0;
            wrong += tiny * one == 0.0;                    // flushed to zero
            wrong += one / third != 0x1.5555555555555p-2;  // rounded upwards
        });
        CHECK(wrong == 0);
    });
}

// The caller ends first, late, or beside helpers that have not begun: each must end the call cleanly.
TEST(short_jobs) {
    for (int i = 0; i < (reduced() ? 2000 : 20000); ++i) {
        std::atomic<int> count{0};
        parallel_for(Context{2 + i % 4}, 1 + i % 7, [&](std::int64_t, Poll&) { ++count; });
        if (count != 1 + i % 7) return CHECK(!"a short job lost a task");
    }
}
