#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/cuda/gaussian_rows.cuh"
#include "kernels/cuda/launch.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = kThreads / kWarp;

// One warp a row, held in registers: one read, one write.
template <class T, int kRounds, bool kWhole>
__global__ void __launch_bounds__(kThreads)
    normalize_in_registers(const T* features, std::int64_t n, int d, float* out) {
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kRows + threadIdx.x / kWarp;
    if (row >= n) return;
    RegisterRow<T, kRounds, kWhole> values(features + row * d, d);
    const RowMap map = values.map();
    __syncwarp();  // all lanes have read the row, which may be where they write
    float* to = out + row * d;
    values.each_normalized(map, [&](int i, float value) { to[i] = value; });
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
cudaError_t normalize(const void* matrix, std::int64_t n, std::int64_t d, float* out, cudaStream_t stream) {
    const T* features = static_cast<const T*>(matrix);
    const auto blocks = static_cast<unsigned>((n + kRows - 1) / kRows);
    if (d > kMostInRegisters<T>) return launch(normalize_long<T>, blocks, kThreads, 0, stream, features, n, d, out);
    return by_rounds<T>(d, [&](auto rounds) {
        using R = decltype(rounds);
        return launch(normalize_in_registers<T, R::kRounds, R::kWhole>, blocks, kThreads, 0, stream, features, n,
                      static_cast<int>(d), out);
    });
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
