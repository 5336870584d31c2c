// What the tests of the CUDA kernels share: memory as a device has it, element types, and orders of execution.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <type_traits>
#include <vector>

#include "../check.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "kernels/allowed.h"
#include "kernels/cuda/types.h"
#include "simt.h"

namespace rsir::test {

// Memory of a device: aligned as its allocators align, and ending where it ends, so that a sanitizer sees what lies
// beyond.
template <class T>
class DeviceArray {
  public:
    explicit DeviceArray(std::int64_t count) : count_(static_cast<std::size_t>(count)) {
        void* memory = nullptr;
        if (posix_memalign(&memory, 256, count_ * sizeof(T)) != 0) std::abort();
        data_ = static_cast<T*>(memory);
        std::memset(memory, 0xa5, count_ * sizeof(T));
    }
    explicit DeviceArray(const std::vector<T>& values) : DeviceArray(static_cast<std::int64_t>(values.size())) {
        for (std::size_t i = 0; i < count_; ++i) data_[i] = values[i];
    }
    ~DeviceArray() { std::free(data_); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;

    T* data() const { return data_; }
    T& operator[](std::int64_t i) const { return data_[i]; }
    std::size_t size() const { return count_; }

  private:
    std::size_t count_;
    T* data_ = nullptr;
};

// Every bit of what the device wrote.
template <class T, class U>
void check_device_bits(const char* file, int line, const char* what, const DeviceArray<T>& actual,
                       const std::vector<U>& expected) {
    static_assert(sizeof(T) == sizeof(U));
    if (actual.size() != expected.size()) {
        fail(file, line, std::string(what) + ": the test compares different sizes");
        return;
    }
    check_bytes(file, line, what, actual.data(), expected.data(), expected.size(), sizeof(T));
}
#define CHECK_DEVICE(actual, expected) ::rsir::test::check_device_bits(__FILE__, __LINE__, #actual, actual, expected)

// A bitmap that begins within a byte and ends with the byte of the last item; bits of no item are set.
class ChosenItems {
  public:
    // allowed(i): whether item i is.
    template <class Rule>
    ChosenItems(std::int64_t n, const Rule& allowed) : bits_((kFirst + n + 7) / 8), n_(n) {
        std::memset(bits_.data(), 0xff, bits_.size());
        for (std::int64_t i = 0; i < n; ++i) {
            if (!allowed(i)) bits_[(kFirst + i) / 8] &= static_cast<std::uint8_t>(~(1u << (kFirst + i) % 8));
        }
    }
    static ChosenItems any(Random& random, std::int64_t n, std::uint64_t one_in) {
        return {n, [&](std::int64_t) { return random.below(one_in) == 0; }};
    }
    Allowed allowed() const { return {bits_.data(), kFirst, n_}; }

  private:
    static constexpr std::int64_t kFirst = 5;
    DeviceArray<std::uint8_t> bits_;
    std::int64_t n_;
};

// Calls `body` under several orders of execution: in order first, then by chance.
inline void each_order(const std::function<void()>& body) {
    for (const std::int64_t seed : sizes({0, 1, 2, 3}, {0, 1})) {
        const Case here("order ", seed);
        simt::seed(static_cast<std::uint64_t>(seed));
        body();
    }
}

// Under one order, another each time: for tests of many sizes.
inline void next_order(const std::function<void()>& body) {
    static std::uint64_t seed = 0;
    const Case here("order ", seed);
    simt::seed(seed++);
    body();
}

// An element type of the device, made of a float or double, and the same number as the CPU's kernels take it.
template <class T>
struct Stored;
template <>
struct Stored<float> {
    using Wide = float;
    static constexpr cuda::FloatType type = cuda::FloatType::float32;
    static float from(double value) { return static_cast<float>(value); }
    static float wide(float value) { return value; }
};
template <>
struct Stored<double> {
    using Wide = double;
    static constexpr cuda::FloatType type = cuda::FloatType::float64;
    static double from(double value) { return value; }
    static double wide(double value) { return value; }
};
template <>
struct Stored<__half> {
    using Wide = float;
    static constexpr cuda::FloatType type = cuda::FloatType::float16;
    static __half from(double value) { return __double2half(value); }
    static float wide(__half value) { return __half2float(value); }
};
template <>
struct Stored<__nv_bfloat16> {
    using Wide = float;
    static constexpr cuda::FloatType type = cuda::FloatType::bfloat16;
    static __nv_bfloat16 from(double value) {
        return {static_cast<std::uint16_t>(__float_as_uint(static_cast<float>(value)) >> 16)};
    }
    static float wide(__nv_bfloat16 value) { return __bfloat162float(value); }
};

template <class T>
std::vector<T> stored(const std::vector<double>& values) {
    std::vector<T> to;
    for (const double value : values) to.push_back(Stored<T>::from(value));
    return to;
}
template <class T>
std::vector<typename Stored<T>::Wide> widened(const std::vector<T>& values) {
    std::vector<typename Stored<T>::Wide> to;
    for (const T value : values) to.push_back(Stored<T>::wide(value));
    return to;
}

// Calls body(T()) for every element type.
template <class Body>
void each_type(const Body& body) {
    body(float());
    body(double());
    body(__half());
    body(__nv_bfloat16());
}

}  // namespace rsir::test
