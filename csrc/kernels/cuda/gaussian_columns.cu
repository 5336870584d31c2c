#include <cmath>

#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/cuda/lanes.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/slices.h"
#include "kernels/cuda/widen.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kBlocks = 8;  // on a multiprocessor: for more, the compiler would give up registers and loads in flight
constexpr int kAhead = 16;  // loads of a thread in flight
constexpr int kRows = 8;    // that one thread normalises

// Lane l of column j is chain l d + j. Its elements are l d + j, l d + j + 32 d, ...: neighbouring chains read
// neighbouring elements, whatever d is, and one thread adds a chain as no two could.
struct Chains {
    std::int64_t size, d;  // elements of the matrix, columns
    double* sums;          // [32, d]
    bool* constant;        // [32, d]: every element equals the first of its column

    Chains(void* memory, std::int64_t n, std::int64_t columns) : size(n * columns), d(columns) {
        Slices slices(memory);
        sums = slices.take<double>(count());
        constant = slices.take<bool>(count());
        bytes = slices.used();
    }
    __host__ __device__ std::int64_t count() const { return kWarp * d; }

    std::int64_t bytes;
};

__device__ double quiet(double value) { return isnan(value) ? __longlong_as_double(0x7ff8000000000000ll) : value; }

__device__ std::int64_t index() { return static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; }

unsigned blocks(std::int64_t threads) { return static_cast<unsigned>((threads + kThreads - 1) / kThreads); }

// Calls add(element) for all of a chain, in its order.
template <class T, class Add>
__device__ void follow(const T* features, const Chains& chains, std::int64_t chain, const Add& add) {
    const std::int64_t step = chains.count();
    std::int64_t i = chain;
    for (; i < chains.size - (kAhead - 1) * step; i += kAhead * step) {
        decltype(held(T())) values[kAhead];
#pragma unroll
        for (int u = 0; u < kAhead; ++u) values[u] = held(features[i + u * step]);
#pragma unroll
        for (int u = 0; u < kAhead; ++u) add(values[u]);
    }
    for (; i < chains.size; i += step) add(held(features[i]));
}

template <class T>
__global__ void __launch_bounds__(kThreads, kBlocks) sum_kernel(const T* features, Chains chains) {
    const std::int64_t chain = index();
    if (chain >= chains.count()) return;
    const auto first = held(features[chain % chains.d]);
    bool constant = true;
    double sum = 0.0;
    follow(features, chains, chain, [&](auto value) {
        constant &= value == first;
        sum += static_cast<double>(value);
    });
    chains.sums[chain] = sum;
    chains.constant[chain] = constant;
}

template <class T>
__global__ void __launch_bounds__(kThreads, kBlocks)
    squares_kernel(const T* features, Chains chains, const double* means) {
    const std::int64_t chain = index();
    if (chain >= chains.count()) return;
    const double mu = means[chain % chains.d];
    double sum = 0.0;
    follow(features, chains, chain, [&](auto value) {
        const double centred = static_cast<double>(value) - mu;
        sum += centred * centred;
    });
    chains.sums[chain] = sum;
}

// What the canonical fold of a column's lanes, d apart, has made of one when kLeft are left; of the first and 1: the
// sum.
template <int kLeft>
__device__ double folded(const double* lane, std::int64_t d) {
    if constexpr (kLeft == kWarp) {
        return *lane;
    } else {
        return folded<2 * kLeft>(lane, d) + folded<2 * kLeft>(lane + kLeft * d, d);
    }
}

// The mean of equal numbers may be rounded, or overflow: a constant column has that number, and so a deviation of 0.
template <class T>
__global__ void __launch_bounds__(kThreads) mean_kernel(const T* features, Chains chains, double count, double* mu) {
    const std::int64_t column = index();
    if (column >= chains.d) return;
    const double first = widen(features[column]);
    bool constant = isfinite(first);
    for (int l = 0; l < kWarp; ++l) constant = constant && chains.constant[l * chains.d + column];
    mu[column] = constant ? first : quiet(folded<1>(chains.sums + column, chains.d) / count);
}

__global__ void __launch_bounds__(kThreads) deviation_kernel(Chains chains, double count, double* sigma) {
    const std::int64_t column = index();
    if (column < chains.d) sigma[column] = quiet(sqrt(folded<1>(chains.sums + column, chains.d) / count));
}

__global__ void __launch_bounds__(kThreads) scale_kernel(const double* sigma, std::int64_t d, double* scale) {
    const std::int64_t column = index();
    if (column >= d) return;
    const double s = sigma[column];
    scale[column] = !isfinite(s) ? quiet(s - s) : s == 0.0 ? 0.0 : 1.0 / (6.0 * s);
}

template <class T, int kPack>
struct alignas(kPack * sizeof(T)) Pack {
    T values[kPack];
};

// kPack columns of up to kRows rows a thread, which keeps what belongs to its columns. Its rows lie so far apart that
// all threads together read one contiguous piece at a time.
template <class T, int kPack>
__global__ void __launch_bounds__(kThreads)
    apply_kernel(const T* features, std::int64_t n, std::int64_t d, const double* mu, const double* scale, float* out) {
    const std::int64_t first = index() * kPack, piece = (n + kRows - 1) / kRows * d, size = n * d;
    if (first >= piece) return;
    const std::int64_t column = first % d;
    // All loads before the first store, which the compiler could not move: `out` may be `features`.
    Pack<T, kPack> from[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
        const std::int64_t at = first + r * piece;
        from[r] = *reinterpret_cast<const Pack<T, kPack>*>(features + (at < size ? at : first));
    }
    double mean[kPack], factor[kPack];
#pragma unroll
    for (int e = 0; e < kPack; ++e) {
        mean[e] = mu[column + e];
        factor[e] = scale[column + e];
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
        const std::int64_t at = first + r * piece;
        if (at >= size) return;
        Pack<float, kPack> to;
#pragma unroll
        for (int e = 0; e < kPack; ++e) {
            const double value = 0.5 + (widen(from[r].values[e]) - mean[e]) * factor[e];
            to.values[e] = static_cast<float>(value);
            if (isnan(value)) to.values[e] = __uint_as_float(0x7fc00000u);
        }
        *reinterpret_cast<Pack<float, kPack>*>(out + at) = to;
    }
}

template <class T>
cudaError_t statistics(const void* matrix, std::int64_t n, const Chains& chains, double* mu, double* sigma,
                       cudaStream_t stream) {
    const T* features = static_cast<const T*>(matrix);
    const double count = static_cast<double>(n);
    const unsigned all = blocks(chains.count()), columns = blocks(chains.d);
    cudaError_t error = launch(sum_kernel<T>, all, kThreads, 0, stream, features, chains);
    if (error != cudaSuccess) return error;
    error = launch(mean_kernel<T>, columns, kThreads, 0, stream, features, chains, count, mu);
    if (error != cudaSuccess) return error;
    error = launch(squares_kernel<T>, all, kThreads, 0, stream, features, chains, mu);
    if (error != cudaSuccess) return error;
    return launch(deviation_kernel, columns, kThreads, 0, stream, chains, count, sigma);
}

template <class T>
cudaError_t apply(const void* matrix, std::int64_t n, std::int64_t d, const double* mu, const double* scale, float* out,
                  cudaStream_t stream) {
    const T* features = static_cast<const T*>(matrix);
    const std::int64_t piece = (n + kRows - 1) / kRows * d;
    const auto whole = [](const void* at, std::size_t bytes) {
        return reinterpret_cast<std::uintptr_t>(at) % bytes == 0;
    };
    if (d % 4 == 0 && whole(features, 4 * sizeof(T)) && whole(out, 4 * sizeof(float))) {
        return launch(apply_kernel<T, 4>, blocks(piece / 4), kThreads, 0, stream, features, n, d, mu, scale, out);
    }
    return launch(apply_kernel<T, 1>, blocks(piece), kThreads, 0, stream, features, n, d, mu, scale, out);
}

}  // namespace

std::size_t gaussian_statistics_bytes(std::int64_t d) { return static_cast<std::size_t>(Chains(nullptr, 0, d).bytes); }

cudaError_t gaussian_statistics(const void* features, FloatType type, std::int64_t n, std::int64_t d, void* workspace,
                                double* mu, double* sigma, cudaStream_t stream) {
    if (d == 0) return cudaSuccess;
    const Chains chains(workspace, n, d);
    switch (type) {
        case FloatType::float16:
            return statistics<__half>(features, n, chains, mu, sigma, stream);
        case FloatType::bfloat16:
            return statistics<__nv_bfloat16>(features, n, chains, mu, sigma, stream);
        case FloatType::float32:
            return statistics<float>(features, n, chains, mu, sigma, stream);
        case FloatType::float64:
            return statistics<double>(features, n, chains, mu, sigma, stream);
    }
    return cudaErrorInvalidValue;
}

cudaError_t gaussian_apply(const void* features, FloatType type, std::int64_t n, std::int64_t d, const double* mu,
                           const double* sigma, double* scale, float* out, cudaStream_t stream) {
    if (n == 0 || d == 0) return cudaSuccess;
    const cudaError_t error = launch(scale_kernel, blocks(d), kThreads, 0, stream, sigma, d, scale);
    if (error != cudaSuccess) return error;
    switch (type) {
        case FloatType::float16:
            return apply<__half>(features, n, d, mu, scale, out, stream);
        case FloatType::bfloat16:
            return apply<__nv_bfloat16>(features, n, d, mu, scale, out, stream);
        case FloatType::float32:
            return apply<float>(features, n, d, mu, scale, out, stream);
        case FloatType::float64:
            return apply<double>(features, n, d, mu, scale, out, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace rsir::cuda
