#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>

#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/sidecar.h"
#include "kernels/cuda/slices.h"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr std::int64_t kLongRow = 1024;  // elements: more are worth a block
// Beyond these the products of scales could leave float32.
constexpr double kLeastValue = 0x1p-40, kMostValue = 0x1p40;

// How a row whose largest absolute value is `most` is coded; kPack values are stored at once.
struct HalfCode {
    using Value = __half;
    static constexpr int kPack = 2;

    // The largest value becomes 2^14 to 2^15, so that the smallest keep their relative precision longest.
    __device__ static float scale(double most) { return static_cast<float>(scalbn(1.0, ilogb(most) - 14)); }
    __device__ static Value encode(double value) { return __double2half(value); }
    __device__ static double decode(Value code) { return static_cast<double>(__half2float(code)); }
    __device__ static void store(Value* to, const Value (&pack)[kPack]) {
        *reinterpret_cast<__half2*>(to) = __halves2half2(pack[0], pack[1]);
    }
};

struct ByteCode {
    using Value = std::int8_t;
    static constexpr int kPack = 4;

    __device__ static float scale(double most) { return __double2float_ru(most / 127.0); }  // no code beyond 127
    __device__ static Value encode(double value) { return static_cast<Value>(__double2int_rn(value)); }
    __device__ static double decode(Value code) { return static_cast<double>(code); }
    __device__ static void store(Value* to, const Value (&pack)[kPack]) {
        *reinterpret_cast<char4*>(to) = make_char4(pack[0], pack[1], pack[2], pack[3]);
    }
};

// What all threads of a team (a warp or the block) have, combined; the whole block.
template <int kTeam, class Combine>
__device__ double over_team(double value, Combine combine) {
    for (int half = kWarp / 2; half >= 1; half /= 2) value = combine(value, __shfl_xor_sync(kWholeWarp, value, half));
    if constexpr (kTeam > kWarp) {
        __shared__ double partial[kWarps];
        __syncthreads();  // the last result has been read
        if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;
        __syncthreads();
        value = partial[0];
        for (int w = 1; w < kWarps; ++w) value = combine(value, partial[w]);
    }
    return value;
}

// A team of threads a row: a warp, or for long rows a block, whose few rows in flight stay in the first-level cache for
// their second reading.
template <int kTeam, class Code, class T>
__global__ void __launch_bounds__(kThreads)
    sidecar_kernel(const T* matrix, std::int64_t n, std::int64_t d, Sidecar sidecar) {
    const int member = static_cast<int>(threadIdx.x) % kTeam;
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kThreads / kTeam) + threadIdx.x / kTeam;
    if (row >= n) return;
    const T* from = matrix + row * d;
    double most = 0.0;
    bool ordinary = true;
#pragma unroll 8
    for (std::int64_t i = member; i < d; i += kTeam) {
        const double value = fabs(widen(from[i]));
        ordinary = ordinary && value <= kMostValue;  // false for NaN
        most = value > most ? value : most;
    }
    const auto larger = [](double a, double b) { return a > b ? a : b; };
    most = over_team<kTeam>(most, larger);
    ordinary = over_team<kTeam>(ordinary ? 0.0 : 1.0, larger) == 0.0 && (most == 0.0 || most >= kLeastValue);
    const float scale = most == 0.0 || !ordinary ? 1.0f : Code::scale(most);
    const double step = static_cast<double>(scale), inverse = 1.0 / step;
    double norm = 0.0, residual = 0.0;
    auto* to = static_cast<typename Code::Value*>(sidecar.values) + row * sidecar.width;
#pragma unroll 4
    for (std::int64_t i = Code::kPack * member; i < sidecar.width; i += Code::kPack * kTeam) {
        typename Code::Value pack[Code::kPack];
#pragma unroll
        for (int e = 0; e < Code::kPack; ++e) {
            const double value = ordinary && i + e < d ? widen(from[i + e]) : 0.0;
            pack[e] = Code::encode(value * inverse);
            const double copy = Code::decode(pack[e]) * step;
            norm += copy * copy;
            residual += (value - copy) * (value - copy);
        }
        Code::store(to + i, pack);
    }
    const auto add = [](double a, double b) { return a + b; };
    norm = over_team<kTeam>(norm, add);
    residual = over_team<kTeam>(residual, add);
    if (member != 0) return;
    const float rounded_norm = ordinary ? __double2float_rn(norm) : __uint_as_float(kQuietNaN);
    const float rounded_residual = __double2float_ru(sqrt(residual) * (1.0 + 1e-9));
    sidecar.scale[row] = scale;
    sidecar.norm[row] = rounded_norm;
    sidecar.residual[row] = rounded_residual;
    if (ordinary) {
        atomicMax(sidecar.maximum, __float_as_uint(rounded_norm));
        atomicMax(sidecar.maximum + 1, __float_as_uint(rounded_residual));
    }
}

template <class Code, class T>
cudaError_t launch_sidecar(const void* matrix, std::int64_t n, std::int64_t d, const Sidecar& sidecar,
                           cudaStream_t stream) {
    const T* from = static_cast<const T*>(matrix);
    if (d > kLongRow) {
        return launch(sidecar_kernel<kThreads, Code, T>, static_cast<unsigned>(n), kThreads, 0, stream, from, n, d,
                      sidecar);
    }
    const auto blocks = static_cast<unsigned>((n + kWarps - 1) / kWarps);
    return launch(sidecar_kernel<kWarp, Code, T>, blocks, kThreads, 0, stream, from, n, d, sidecar);
}

template <class T>
cudaError_t choose_codes(const void* matrix, std::int64_t n, std::int64_t d, const Sidecar& sidecar,
                         cudaStream_t stream) {
    return sidecar.codes == Codes::half ? launch_sidecar<HalfCode, T>(matrix, n, d, sidecar, stream)
                                        : launch_sidecar<ByteCode, T>(matrix, n, d, sidecar, stream);
}

Sidecar take_sidecar(Slices& slices, Codes codes, std::int64_t n, std::int64_t d) {
    const std::int64_t rows = Sidecar::padded_rows(n);
    const std::int64_t width = std::max<std::int64_t>(kDepthTile, (d + kDepthTile - 1) / kDepthTile * kDepthTile);
    Sidecar sidecar{};
    sidecar.codes = codes;
    sidecar.values = codes == Codes::half ? static_cast<void*>(slices.take<__half>(rows * width))
                                          : static_cast<void*>(slices.take<std::int8_t>(rows * width));
    sidecar.scale = slices.take<float>(rows);
    sidecar.norm = slices.take<float>(rows);
    sidecar.residual = slices.take<float>(rows);
    sidecar.maximum = slices.take<std::uint32_t>(2);
    sidecar.width = width;
    return sidecar;
}

}  // namespace

Sidecar Sidecar::at(void* memory, Codes codes, std::int64_t n, std::int64_t d) {
    Slices slices(memory);
    return take_sidecar(slices, codes, n, d);
}

std::size_t sidecar_bytes(Codes codes, std::int64_t n, std::int64_t d) {
    Slices slices(nullptr);
    take_sidecar(slices, codes, n, d);
    return static_cast<std::size_t>(slices.used());
}

cudaError_t make_sidecar(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const Sidecar& sidecar,
                         cudaStream_t stream) {
    const cudaError_t error = cudaMemsetAsync(sidecar.maximum, 0, 2 * sizeof(std::uint32_t), stream);
    if (error != cudaSuccess || n == 0) return error;
    switch (type) {
        case FloatType::float16:
            return choose_codes<__half>(matrix, n, d, sidecar, stream);
        case FloatType::bfloat16:
            return choose_codes<__nv_bfloat16>(matrix, n, d, sidecar, stream);
        case FloatType::float32:
            return choose_codes<float>(matrix, n, d, sidecar, stream);
        case FloatType::float64:
            return choose_codes<double>(matrix, n, d, sidecar, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace rsir::cuda
