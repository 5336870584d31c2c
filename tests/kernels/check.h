// The harness of the kernel tests.
//
// To add a test: write TEST(name) { ... } into test_<op>.cpp, or make a new test_*.cpp (the build finds it). The
// pattern of every op test:
//
//     const Exact<float> x(numbers<float>(random, n * d, Kind::hostile));      // input, nothing readable behind it
//     const auto expected = ...;                                               // plain float64 reference, reference.h
//     each_context([&](const Context& context) {                               // every instruction set, some threads
//         Output<float> out(n * d);                                            // output between sentinels
//         CHECK(op(x.data(), n, d, out.data(), context) == Status::ok);
//         CHECK_BITS(out, expected);                                           // and the sentinels
//     });
//
// `const Case here("n=", n, " d=", d);` adds its text to every failure in its scope.
// RSIR_TEST_REDUCED=1 in the environment asks for fewer (emulators): `sizes({...}, {...})` lists those at the edges of
// loops, `reduced() ? 3000 : 20000` rows that are many for the sake of threads, or repetitions. AddressSanitizer, which
// sees wrong memory at the edges, takes all of the former and the smaller of the latter, but where it is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/context.h"

#define TEST(name)                                                            \
    static void name();                                                       \
    static const ::rsir::test::Registration registration_##name(#name, name); \
    static void name()

#define CHECK(condition) \
    ((condition) ? static_cast<void>(0) : ::rsir::test::fail(__FILE__, __LINE__, "expected " #condition))

// `actual` is an Output, `expected` a vector of the same type: every bit equal, sentinels untouched.
#define CHECK_BITS(actual, expected) ::rsir::test::check_bits(__FILE__, __LINE__, #actual, actual, expected)

namespace rsir::test {

struct Registration {
    Registration(const char* name, void (*run)());
};

// Reports a failure; the test goes on, and is abandoned after some.
void fail(const char* file, int line, const std::string& message);

class Case {
  public:
    template <class... Parts>
    explicit Case(const Parts&... parts) {
        std::ostringstream text;
        (text << ... << parts);
        push(text.str());
    }
    ~Case();
    Case(const Case&) = delete;
    Case& operator=(const Case&) = delete;

  private:
    static void push(std::string text);
};

bool reduced();
std::vector<std::int64_t> sizes(std::initializer_list<std::int64_t> all, std::initializer_list<std::int64_t> few);

// Every supported instruction set with 1, 2 and 5 threads (two of these under a sanitizer), and each once under a
// caller's hostile floating-point mode (rounding upwards, flush-to-zero): compute what is expected before, compare bits
// only inside.
void each_context(const std::function<void(const Context&)>& body);

// Calls `run` with every instruction set and checks that the code compiled for it reported itself.
void check_forced_isa(const std::function<void(const Context&)>& run);

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // [0, 1)

  private:
    std::uint64_t state_;
};

// uniform: in [-1, 1). ties: few distinct values. hostile: also denormal, huge, infinite, NaN, and signed zeros.
enum class Kind { uniform, ties, hostile };
constexpr Kind kKinds[] = {Kind::uniform, Kind::ties, Kind::hostile};

template <class T>
std::vector<T> numbers(Random& random, std::int64_t count, Kind kind);

// [n, d] with duplicated and constant rows.
template <class T>
std::vector<T> matrix(Random& random, std::int64_t n, std::int64_t d, Kind kind);

// A copy that ends where its allocation ends, so that a sanitizer sees any read beyond it, at an odd address.
template <class T>
class Exact {
  public:
    explicit Exact(const std::vector<T>& values) : storage_(new T[values.size() + 1]) {
        for (std::size_t i = 0; i < values.size(); ++i) storage_[i + 1] = values[i];
    }
    const T* data() const { return storage_.get() + 1; }

  private:
    std::unique_ptr<T[]> storage_;
};

// Room for `size` values between sentinels.
template <class T>
class Output {
  public:
    explicit Output(std::int64_t size) : size_(static_cast<std::size_t>(size)), storage_(size_ + 2 * kGuard) {
        std::memset(storage_.data(), kSentinel, storage_.size() * sizeof(T));
    }
    T* data() { return storage_.data() + kGuard; }
    const T* data() const { return storage_.data() + kGuard; }
    std::size_t size() const { return size_; }
    bool sentinels_intact() const {
        const auto* bytes = reinterpret_cast<const unsigned char*>(storage_.data());
        for (std::size_t i = 0; i < kGuard * sizeof(T); ++i) {
            if (bytes[i] != kSentinel || bytes[storage_.size() * sizeof(T) - 1 - i] != kSentinel) return false;
        }
        return true;
    }

  private:
    static constexpr std::size_t kGuard = 64;
    static constexpr unsigned char kSentinel = 0xa5;
    std::size_t size_;
    std::vector<T> storage_;
};

void check_bytes(const char* file, int line, const char* what, const void* actual, const void* expected,
                 std::size_t count, std::size_t width);

template <class T>
void check_bits(const char* file, int line, const char* what, const Output<T>& actual, const std::vector<T>& expected) {
    if (actual.size() != expected.size()) {
        fail(file, line, std::string(what) + ": the test compares different sizes");
        return;
    }
    check_bytes(file, line, what, actual.data(), expected.data(), expected.size(), sizeof(T));
    if (!actual.sentinels_intact()) fail(file, line, std::string(what) + ": written outside its bounds");
}

}  // namespace rsir::test
