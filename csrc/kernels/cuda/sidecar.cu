#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>

#include "kernels/cuda/by_type.cuh"
#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/cuda/gaussian_rows.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/sidecar.h"
#include "kernels/cuda/slices.h"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kRowThreads = 128;
constexpr int kRows = kRowThreads / kWarp;
constexpr int kBlocks = 4;  // on a multiprocessor: for more, the compiler would give up registers and loads in flight
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
    __device__ static void store(Value* row, std::int64_t i, std::int64_t, const Value (&pack)[kPack]) {
        *reinterpret_cast<__half2*>(row + i) = __halves2half2(pack[0], pack[1]);
    }
};

struct ByteCode {
    using Value = std::int8_t;
    static constexpr int kPack = 4;

    __device__ static float scale(double most) { return __double2float_ru(most / 127.0); }  // no code beyond 127
    __device__ static Value encode(double value) { return static_cast<Value>(__double2int_rn(value)); }
    __device__ static double decode(Value code) { return static_cast<double>(code); }
    __device__ static void store(Value* row, std::int64_t i, std::int64_t, const Value (&pack)[kPack]) {
        *reinterpret_cast<char4*>(row + i) = make_char4(pack[0], pack[1], pack[2], pack[3]);
    }
};

struct WordCode {
    using Value = std::int16_t;
    static constexpr int kPack = 4;

    // No code beyond 127 * 257, so that h is no more than 127.
    __device__ static float scale(double most) { return __double2float_ru(most / 32639.0); }
    __device__ static Value encode(double value) { return static_cast<Value>(__double2int_rn(value)); }
    __device__ static double decode(Value code) { return static_cast<double>(code); }
    __device__ static void store(Value* row, std::int64_t i, std::int64_t width, const Value (&pack)[kPack]) {
        std::int8_t high[kPack], low[kPack];
#pragma unroll
        for (int e = 0; e < kPack; ++e) {
            high[e] = static_cast<std::int8_t>((pack[e] + 128) >> 8);
            low[e] = static_cast<std::int8_t>(pack[e] - 256 * high[e]);
        }
        auto* const to = reinterpret_cast<std::int8_t*>(row) + i;
        *reinterpret_cast<char4*>(to) = make_char4(high[0], high[1], high[2], high[3]);
        *reinterpret_cast<char4*>(to + width) = make_char4(low[0], low[1], low[2], low[3]);
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

// What a row's scale depends on.
struct Extent {
    double most;    // the largest absolute value
    bool ordinary;  // nothing that a copy could not bound
};

template <int kTeam>
__device__ int member() {
    return static_cast<int>(threadIdx.x) % kTeam;
}

template <int kTeam, class T>
__device__ Extent extent_of(const T* row, std::int64_t d) {
    double most = 0.0;
    bool ordinary = true;
#pragma unroll 8
    for (std::int64_t i = member<kTeam>(); i < d; i += kTeam) {
        const double value = fabs(widen(row[i]));
        ordinary = ordinary && value <= kMostValue;  // false for NaN
        most = value > most ? value : most;
    }
    const auto larger = [](double a, double b) { return a > b ? a : b; };
    most = over_team<kTeam>(most, larger);
    ordinary = over_team<kTeam>(ordinary ? 0.0 : 1.0, larger) == 0.0 && (most == 0.0 || most >= kLeastValue);
    return {most, ordinary};
}

// Copies row `index`, whose elements lie at `row`, with its bounds.
template <int kTeam, class Code, class T>
__device__ void encode_row(const T* row, std::int64_t d, const Extent& extent, std::int64_t index,
                           const Sidecar& sidecar) {
    const bool ordinary = extent.ordinary;
    const float scale = extent.most == 0.0 || !ordinary ? 1.0f : Code::scale(extent.most);
    const double step = static_cast<double>(scale), inverse = 1.0 / step;
    double norm = 0.0, residual = 0.0;
    auto* to = static_cast<typename Code::Value*>(sidecar.values) + index * sidecar.width;
#pragma unroll 4
    for (std::int64_t i = Code::kPack * member<kTeam>(); i < sidecar.width; i += Code::kPack * kTeam) {
        typename Code::Value pack[Code::kPack];
#pragma unroll
        for (int e = 0; e < Code::kPack; ++e) {
            const double value = ordinary && i + e < d ? widen(row[i + e]) : 0.0;
            pack[e] = Code::encode(value * inverse);
            const double copy = Code::decode(pack[e]) * step;
            norm += copy * copy;
            residual += (value - copy) * (value - copy);
        }
        Code::store(to, i, sidecar.width, pack);
    }
    const auto add = [](double a, double b) { return a + b; };
    norm = over_team<kTeam>(norm, add);
    residual = over_team<kTeam>(residual, add);
    if (member<kTeam>() != 0) return;
    sidecar.scale[index] = scale;
    sidecar.norm[index] = ordinary ? __double2float_rn(norm) : __uint_as_float(kQuietNaN);
    sidecar.residual[index] = __double2float_ru(sqrt(residual) * (1.0 + 1e-9));
}

template <int kTeam, class T>
__device__ void copy_row(const T* row, std::int64_t d, std::int64_t index, const Copies& copies) {
    const Extent extent = extent_of<kTeam>(row, d);
    if (copies.half.values != nullptr) encode_row<kTeam, HalfCode>(row, d, extent, index, copies.half);
    if (copies.int8.values != nullptr) encode_row<kTeam, ByteCode>(row, d, extent, index, copies.int8);
}

// A row that fits is read once, by a warp, and copied from shared memory.
template <class T>
__global__ void __launch_bounds__(kRowThreads, kBlocks)
    copies_kernel(const T* matrix, std::int64_t n, int d, Copies copies) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kRows + warp;
    if (index >= n) return;
    auto* kept = dynamic_shared<decltype(held(T()))>() + warp * d;
    const T* row = matrix + index * d;
#pragma unroll 32
    for (int i = member<kWarp>(); i < d; i += kWarp) kept[i] = held(row[i]);
    __syncwarp();
    copy_row<kWarp>(kept, d, index, copies);
}

// The same, normalised in registers on its way.
template <class T, int kRounds, bool kWhole>
__global__ void __launch_bounds__(kRowThreads)
    normalized_copies_kernel(const T* matrix, std::int64_t n, int d, Copies copies, float* normalized) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kRows + warp;
    if (index >= n) return;
    float* kept = dynamic_shared<float>() + warp * d;
    RegisterRow<T, kRounds, kWhole> row(matrix + index * d, d);
    const RowMap map = row.map();
    __syncwarp();  // all lanes have read the row, which may be where they write
    float* to = normalized + index * d;
    row.each_normalized(map, [&](int i, float value) { to[i] = kept[i] = value; });
    __syncwarp();
    copy_row<kWarp>(kept, d, index, copies);
}

// Longer rows take a block each: few are in flight, which stay in the first-level cache for their next reading.
template <class T>
__global__ void __launch_bounds__(kThreads) long_copies_kernel(const T* matrix, std::int64_t d, Copies copies) {
    copy_row<kThreads>(matrix + blockIdx.x * d, d, blockIdx.x, copies);
}

// Queries are few: a block each.
template <class T>
__global__ void __launch_bounds__(kThreads) words_kernel(const T* matrix, std::int64_t d, Sidecar words) {
    const T* row = matrix + blockIdx.x * d;
    encode_row<kThreads, WordCode>(row, d, extent_of<kThreads>(row, d), blockIdx.x, words);
}

unsigned row_blocks(std::int64_t n) { return static_cast<unsigned>((n + kRows - 1) / kRows); }

template <class T>
cudaError_t copy_rows(const T* matrix, std::int64_t n, std::int64_t d, const Copies& copies, cudaStream_t stream) {
    if (copies.half.values == nullptr && copies.int8.values == nullptr) return cudaSuccess;
    if (d > kMostInRegisters<T>) {
        return launch(long_copies_kernel<T>, static_cast<unsigned>(n), kThreads, 0, stream, matrix, d, copies);
    }
    return launch(copies_kernel<T>, row_blocks(n), kRowThreads, kRows * static_cast<std::size_t>(d) * sizeof(held(T())),
                  stream, matrix, n, static_cast<int>(d), copies);
}

template <class T>
cudaError_t normalize_and_copy(const T* matrix, FloatType type, std::int64_t n, std::int64_t d, const Copies& copies,
                               float* normalized, cudaStream_t stream) {
    if (d == 0 || d > kMostInRegisters<T>) {
        const cudaError_t error = gaussian_normalize(matrix, type, n, d, normalized, stream);
        return error != cudaSuccess ? error : copy_rows(normalized, n, d, copies, stream);
    }
    return by_rounds<T>(d, [&](auto rounds) {
        using R = decltype(rounds);
        return launch(normalized_copies_kernel<T, R::kRounds, R::kWhole>, row_blocks(n), kRowThreads,
                      kRows * static_cast<std::size_t>(d) * sizeof(float), stream, matrix, n, static_cast<int>(d),
                      copies, normalized);
    });
}

template <class T>
cudaError_t copy_any(const void* from, FloatType type, std::int64_t n, std::int64_t d, const Copies& copies,
                     float* normalized, cudaStream_t stream) {
    const T* matrix = static_cast<const T*>(from);
    return normalized == nullptr ? copy_rows(matrix, n, d, copies, stream)
                                 : normalize_and_copy(matrix, type, n, d, copies, normalized, stream);
}

Sidecar take_sidecar(Slices& slices, Codes codes, std::int64_t n, std::int64_t d) {
    const std::int64_t rows = Sidecar::padded_rows(n);
    const std::int64_t width = std::max<std::int64_t>(kDepthTile, (d + kDepthTile - 1) / kDepthTile * kDepthTile);
    Sidecar sidecar{};
    sidecar.codes = codes;
    sidecar.values = slices.take<std::int8_t>(rows * width * (codes == Codes::int8 ? 1 : 2));
    sidecar.scale = slices.take<float>(rows);
    sidecar.norm = slices.take<float>(rows);
    sidecar.residual = slices.take<float>(rows);
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

cudaError_t make_copies(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const Copies& copies,
                        float* normalized, cudaStream_t stream) {
    if (n == 0) return cudaSuccess;
    return by_type(
        type, [&](auto value) { return copy_any<decltype(value)>(matrix, type, n, d, copies, normalized, stream); });
}

cudaError_t make_sidecar(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const Sidecar& sidecar,
                         cudaStream_t stream) {
    if (n == 0) return cudaSuccess;
    if (sidecar.codes == Codes::words) {
        return by_type(type, [&](auto value) {
            using T = decltype(value);
            return launch(words_kernel<T>, static_cast<unsigned>(n), kThreads, 0, stream, static_cast<const T*>(matrix),
                          d, sidecar);
        });
    }
    Copies copies;
    (sidecar.codes == Codes::half ? copies.half : copies.int8) = sidecar;
    return make_copies(matrix, type, n, d, copies, nullptr, stream);
}

}  // namespace rsir::cuda
