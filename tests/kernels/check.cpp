#include "check.h"

#include <algorithm>
#include <cfenv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <type_traits>

#include "kernels/cpu/isa.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace rsir::test {
namespace {

struct Test {
    const char* name;
    void (*run)();
};

struct Abandoned {};

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

std::vector<std::string> cases;
int failures = 0;

// What a host program may have set; the kernels must not care.
class HostileFloatEnvironment {
  public:
    HostileFloatEnvironment() {
        std::fegetenv(&saved_);
        std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
        _mm_setcsr(_mm_getcsr() | 0x8040);  // flush-to-zero, denormals-are-zero
#elif defined(__aarch64__)
        std::uint64_t control;
        asm volatile("mrs %0, fpcr" : "=r"(control));
        asm volatile("msr fpcr, %0" : : "r"(control | std::uint64_t{1} << 24));  // flush-to-zero
#endif
    }
    ~HostileFloatEnvironment() { std::fesetenv(&saved_); }
    HostileFloatEnvironment(const HostileFloatEnvironment&) = delete;
    HostileFloatEnvironment& operator=(const HostileFloatEnvironment&) = delete;

  private:
    std::fenv_t saved_;
};

}  // namespace

Registration::Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }

void fail(const char* file, int line, const std::string& message) {
    std::fprintf(stderr, "%s:%d: %s", file, line, message.c_str());
    for (const std::string& text : cases) std::fprintf(stderr, "; %s", text.c_str());
    std::fprintf(stderr, "\n");
    if (++failures % 10 == 0) throw Abandoned();
}

void Case::push(std::string text) { cases.push_back(std::move(text)); }
Case::~Case() { cases.pop_back(); }

namespace {

// 0 or 1; otherwise what is given.
bool asked_to_reduce(bool otherwise) {
    const char* value = std::getenv("RSIR_TEST_REDUCED");
    return value == nullptr ? otherwise : std::string(value) == "1";
}

}  // namespace

bool reduced() {
#if defined(__SANITIZE_ADDRESS__)
    return asked_to_reduce(true);
#else
    return asked_to_reduce(false);
#endif
}

std::vector<std::int64_t> sizes(std::initializer_list<std::int64_t> all, std::initializer_list<std::int64_t> few) {
    return asked_to_reduce(false) ? few : all;
}

namespace {

// How many threads each run has, under each instruction set; the last run is under a hostile floating-point mode.
// Of one thread there are no races, and of two no memory is touched that one or five do not touch.
std::vector<int> runs() {
#if defined(__SANITIZE_THREAD__)
    return {2, 5};
#elif defined(__SANITIZE_ADDRESS__)
    return {1, 5};
#endif
    return asked_to_reduce(false) ? std::vector<int>{1, 2, 5} : std::vector<int>{1, 2, 5, 2};
}

}  // namespace

void each_context(const std::function<void(const Context&)>& body) {
    const std::vector<int> threads = runs();
    for (const Isa isa : supported_isas()) {
        for (std::size_t i = 0; i + 1 < threads.size(); ++i) {
            const Case here("isa=", isa_name(isa), " threads=", threads[i]);
            body(Context{threads[i], isa});
        }
        const Case here("isa=", isa_name(isa), " threads=", threads.back(), " hostile float environment");
        const HostileFloatEnvironment environment;
        body(Context{threads.back(), isa});
    }
}

void check_forced_isa(const std::function<void(const Context&)>& run) {
    for (const Isa isa : supported_isas()) {
        const Case here("isa=", isa_name(isa));
        const char* ran = "nothing";
        run(Context{1, isa, nullptr, &ran});
        // All ops but certify have one code for both.
        const std::string expected = isa_name(isa == Isa::amx ? Isa::avx512 : isa);
        if (ran != expected) fail(__FILE__, __LINE__, std::string("the code that ran is for ") + ran);
    }
}

// splitmix64
std::uint64_t Random::next() {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

template <class T>
std::vector<T> numbers(Random& random, std::int64_t count, Kind kind) {
    using Limits = std::numeric_limits<T>;
    const T few[] = {0, 1, -1, T(0.5), 3, T(0.1), T(-7.25)};
    const T awkward[] = {0,
                         T(-0.0),
                         1,
                         T(0.1),
                         Limits::denorm_min(),
                         -Limits::denorm_min(),
                         Limits::min(),
                         T(1e-40),
                         T(1e19),
                         Limits::max(),
                         Limits::lowest(),
                         Limits::infinity(),
                         -Limits::infinity(),
                         Limits::quiet_NaN(),
                         -Limits::quiet_NaN()};
    std::vector<T> values(static_cast<std::size_t>(count));
    // A few rows stay free of infinities and NaN only if these are rare.
    for (T& value : values) {
        switch (kind) {
            case Kind::uniform:
                value = static_cast<T>(2 * random.uniform() - 1);
                break;
            case Kind::ties:
                value = few[random.below(std::size(few))];
                break;
            case Kind::hostile:
                value = random.below(24) == 0 ? awkward[random.below(std::size(awkward))] : awkward[random.below(8)];
        }
    }
    return values;
}

template <class T>
std::vector<T> matrix(Random& random, std::int64_t n, std::int64_t d, Kind kind) {
    std::vector<T> values = numbers<T>(random, n * d, kind);
    for (std::int64_t i = 1; i < n; ++i) {
        T* row = values.data() + i * d;
        switch (random.below(4)) {
            case 0:
                std::copy_n(values.data() + static_cast<std::int64_t>(random.below(i)) * d, d, row);
                break;
            case 1:
                for (std::int64_t j = 1; j < d && i % 3 == 0; ++j) row[j] = row[0];
                break;
            default:
                break;
        }
    }
    return values;
}

template std::vector<float> numbers(Random&, std::int64_t, Kind);
template std::vector<double> numbers(Random&, std::int64_t, Kind);
template std::vector<float> matrix(Random&, std::int64_t, std::int64_t, Kind);
template std::vector<double> matrix(Random&, std::int64_t, std::int64_t, Kind);

void check_bytes(const char* file, int line, const char* what, const void* actual, const void* expected,
                 std::size_t count, std::size_t width) {
    if (count == 0 || std::memcmp(actual, expected, count * width) == 0) return;
    const auto* ours = static_cast<const unsigned char*>(actual);
    const auto* theirs = static_cast<const unsigned char*>(expected);
    std::size_t i = 0;
    while (std::memcmp(ours + i * width, theirs + i * width, width) == 0) ++i;
    std::uint64_t got = 0, wanted = 0;
    std::memcpy(&got, ours + i * width, width);
    std::memcpy(&wanted, theirs + i * width, width);
    char text[200];
    std::snprintf(text, sizeof text, "%s[%zu] of %zu: expected bits 0x%llx, got 0x%llx", what, i, count,
                  static_cast<unsigned long long>(wanted), static_cast<unsigned long long>(got));
    fail(file, line, text);
}

}  // namespace rsir::test

// Runs the tests of this program, or those whose name contains the first argument.
int main(int argc, char** argv) {
    using namespace rsir::test;
    const std::string filter = argc > 1 ? argv[1] : "";
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what took how long, also of a program that is ended by its time limit
    int ran = 0;
    for (const Test& test : tests()) {
        if (std::string(test.name).find(filter) == std::string::npos) continue;
        ++ran;
        const int before = failures;
        const auto begin = std::chrono::steady_clock::now();
        try {
            test.run();
        } catch (const Abandoned&) {
            std::fprintf(stderr, "%s: abandoned\n", test.name);
        } catch (const std::exception& error) {
            ++failures;
            std::fprintf(stderr, "%s: threw %s\n", test.name, error.what());
        }
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
        std::printf("%s %s, %.1f s\n", failures == before ? "ok    " : "FAILED", test.name, taken.count());
    }
    if (ran == 0) std::fprintf(stderr, "no test is called '%s'\n", filter.c_str());
    return failures == 0 && ran > 0 ? 0 : 1;
}
