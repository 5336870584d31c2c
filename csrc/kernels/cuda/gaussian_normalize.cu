#include <cmath>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/cuda/lanes.cuh"
#include "kernels/cuda/widen.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = kThreads / kWarp;
constexpr unsigned kQuietNaN = 0x7fc00000u;

// A row's mean, and the factor of equation 2; where that is 0, the whole row becomes `fill`.
struct RowMap {
    double mu, scale;
    float fill;

    __device__ float operator()(double value) const { return static_cast<float>(0.5 + (value - mu) * scale); }
};

__device__ RowMap row_map(bool constant, double mu, double squares, double count) {
    const double sigma = sqrt(squares / count);
    if (constant || sigma == 0.0) return {0.0, 0.0, 0.5f};
    if (!isfinite(sigma)) return {0.0, 0.0, __uint_as_float(kQuietNaN)};
    return {mu, 1.0 / (6.0 * sigma), 0.0f};
}

// One warp a row, held in registers: one read, one write. kWhole: d is 32 kRounds. What is forgotten is widened, or
// tested against the end of the row, again in the next pass: there are no registers to keep both copies.
template <class T, int kRounds, bool kWhole>
__global__ void __launch_bounds__(kThreads)
    normalize_in_registers(const T* features, std::int64_t n, int d, float* out) {
    const int lane = threadIdx.x % kWarp;
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kRows + threadIdx.x / kWarp;
    if (row >= n) return;
    const T* from = features + row * d;
    decltype(held(T())) values[kRounds];
    // Beyond the end the last element again, so that all loads are in flight at once, none under a condition.
#pragma unroll
    for (int r = 0; r < kRounds; ++r) values[r] = held(from[kWhole ? r * kWarp + lane : min(r * kWarp + lane, d - 1)]);

    const auto first = __shfl_sync(kWholeWarp, values[0], 0);
    bool constant = isfinite(first);
    int left = d - lane;
    double sum = 0.0;
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
        constant &= values[r] == first;
        if (kWhole || r * kWarp < left) sum += static_cast<double>(values[r]);
    }
    const double mu = fold_lanes(sum) / d;
    double squares = 0.0;
    forget(left);
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
        forget(values[r]);
        const double centred = static_cast<double>(values[r]) - mu;
        if (kWhole || r * kWarp < left) squares += centred * centred;
    }
    const RowMap map = row_map(__all_sync(kWholeWarp, constant), mu, fold_lanes(squares), d);
    __syncwarp();  // all lanes have read the row, which may be where they write
    float* to = out + row * d;
    if (map.scale == 0.0) {
        for (int i = lane; i < d; i += kWarp) to[i] = map.fill;
        return;
    }
    forget(left);
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
        forget(values[r]);
        if (kWhole || r * kWarp < left) to[r * kWarp + lane] = map(static_cast<double>(values[r]));
    }
}

// Rows too long for registers are read three times; all but the first come from a cache.
template <class T>
__global__ void __launch_bounds__(kThreads)
    normalize_long(const T* features, std::int64_t n, std::int64_t d, float* out) {
    const int lane = threadIdx.x % kWarp;
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kRows + threadIdx.x / kWarp;
    if (row >= n) return;
    const T* from = features + row * d;
    const double first = widen(from[0]);
    bool constant = isfinite(first);
    double sum = 0.0;
#pragma unroll 8
    for (std::int64_t i = lane; i < d; i += kWarp) {
        const double value = widen(from[i]);
        constant = constant && value == first;
        sum += value;
    }
    const double count = static_cast<double>(d);
    const double mu = fold_lanes(sum) / count;
    double squares = 0.0;
#pragma unroll 8
    for (std::int64_t i = lane; i < d; i += kWarp) {
        const double centred = widen(from[i]) - mu;
        squares += centred * centred;
    }
    const RowMap map = row_map(__all_sync(kWholeWarp, constant), mu, fold_lanes(squares), count);
    __syncwarp();  // all lanes have read the row's first element
    float* to = out + row * d;
    if (map.scale == 0.0) {
        for (std::int64_t i = lane; i < d; i += kWarp) to[i] = map.fill;
        return;
    }
#pragma unroll 8
    for (std::int64_t i = lane; i < d; i += kWarp) to[i] = map(widen(from[i]));
}

template <class T>
struct Rows {
    const T* features;
    std::int64_t n, d;
    float* out;
    cudaStream_t stream;

    bool fits(int rounds) const { return d <= rounds * kWarp; }
    template <int kRounds>
    cudaError_t in_registers() const {
        auto kernel = normalize_in_registers<T, kRounds, false>;
        if constexpr (sizeof(T) == 4) {
            if (d == kRounds * kWarp) kernel = normalize_in_registers<T, kRounds, true>;
        }
        return launch(kernel, blocks(), kThreads, 0, stream, features, n, static_cast<int>(d), out);
    }
    cudaError_t from_memory() const {
        return launch(normalize_long<T>, blocks(), kThreads, 0, stream, features, n, d, out);
    }
    unsigned blocks() const { return static_cast<unsigned>((n + kRows - 1) / kRows); }
};

template <class T>
cudaError_t normalize(const void* features, std::int64_t n, std::int64_t d, float* out, cudaStream_t stream) {
    const Rows<T> rows{static_cast<const T*>(features), n, d, out, stream};
    // float64 takes twice the registers; float32 is what features come in, so it has a kernel for every common length.
    if (rows.fits(32)) return rows.template in_registers<32>();
    if constexpr (sizeof(T) == 4) {
        if (rows.fits(64)) return rows.template in_registers<64>();
    }
    if constexpr (sizeof(T) <= 4) {
        if (rows.fits(128)) return rows.template in_registers<128>();
    }
    return rows.from_memory();
}

}  // namespace

cudaError_t gaussian_normalize(const void* features, FloatType type, std::int64_t n, std::int64_t d, float* out,
                               cudaStream_t stream) {
    if (n == 0 || d == 0) return cudaSuccess;
    switch (type) {
        case FloatType::float16:
            return normalize<__half>(features, n, d, out, stream);
        case FloatType::bfloat16:
            return normalize<__nv_bfloat16>(features, n, d, out, stream);
        case FloatType::float32:
            return normalize<float>(features, n, d, out, stream);
        case FloatType::float64:
            return normalize<double>(features, n, d, out, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace rsir::cuda
