#include <algorithm>

#include "kernels/cuda/by_type.cuh"
#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/digits.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/slices.h"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr std::int64_t kSample = 256;  // rows of which the centre is the mean
constexpr double kLeastValue = 0x1p-60, kMostValue = 0x1p40;
constexpr double kMostCode = 127 * 65536 + 127 * 256 + 127;  // of either sign

std::int64_t padded(std::int64_t count) { return (count + kDigitTile - 1) / kDigitTile * kDigitTile; }

// A warp's 32 columns by each block; its warps share the sample.
template <class T>
__global__ void __launch_bounds__(kThreads)
    centre_kernel(const T* matrix, std::int64_t n, std::int64_t d, double* centre) {
    __shared__ double sums[kThreads];
    __shared__ int counts[kThreads];
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
    const std::int64_t sample = min(kSample + 0LL, n + 0LL);
    double sum = 0.0;
    int count = 0;
    if (column < d) {
#pragma unroll 8
        for (std::int64_t i = threadIdx.x / kWarp; i < sample; i += kWarps) {
            const double value = widen(matrix[i * n / sample * d + column]);
            if (fabs(value) <= kMostValue) {  // not NaN
                sum += value;
                ++count;
            }
        }
    }
    sums[threadIdx.x] = sum;
    counts[threadIdx.x] = count;
    __syncthreads();
    if (threadIdx.x >= kWarp || column >= d) return;
    for (int w = 1; w < kWarps; ++w) {
        sum += sums[w * kWarp + lane];
        count += counts[w * kWarp + lane];
    }
    centre[column] = sum / max(count, 1);
}

__device__ inline double over_warp(double value) {
    for (int half = kWarp / 2; half >= 1; half /= 2) value += __shfl_xor_sync(kWholeWarp, value, half);
    return value;
}

// The digit of weight 1; what is left is a multiple of 256.
__device__ inline int last_digit(int code) { return ((code + 128) & 255) - 128; }

// A row by each warp; rows beyond n are 0. The window is the proof of digits.h.
template <class T>
__global__ void __launch_bounds__(kThreads)
    digits_kernel(const T* matrix, std::int64_t n, std::int64_t d, const double* centre, Digits digits) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    if (index >= digits.rows) return;
    const T* const row = matrix + index * d;
    double most = 0.0;
    bool ordinary = index < n;
    if (ordinary) {
#pragma unroll 4
        for (std::int64_t i = lane; i < d; i += kWarp) {
            const double value = fabs(widen(row[i]) - centre[i]);
            ordinary = ordinary && value <= kMostValue;  // false for NaN
            most = value > most ? value : most;
        }
    }
    ordinary = __all_sync(kWholeWarp, ordinary) != 0;
    for (int half = kWarp / 2; half >= 1; half /= 2) {
        const double other = __shfl_xor_sync(kWholeWarp, most, half);
        most = other > most ? other : most;
    }
    const bool coded = ordinary && most >= kLeastValue;
    const double scale = coded ? static_cast<double>(__double2float_ru(most / kMostCode)) : 0.0;
    const double inverse = coded ? 1.0 / scale : 0.0;

    double norm = 0.0, residual = 0.0, second = 0.0, third = 0.0;  // squares of |x'|, |r|, |c1|, |c2|
    const std::int64_t plane = digits.rows * digits.width;
    std::int8_t* const to = digits.values + index * digits.width;
    for (std::int64_t first = 4 * lane; first < digits.width; first += 4 * kWarp) {
        int pack[kDigits][4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const std::int64_t i = first + e;
            const double value = ordinary && i < d ? widen(row[i]) - centre[i] : 0.0;
            int code = __double2int_rn(value * inverse);
            const double off = value - scale * static_cast<double>(code);
            norm += value * value;
            residual += off * off;
#pragma unroll
            for (int digit = kDigits - 1; digit >= 0; --digit) {
                pack[digit][e] = last_digit(code);
                code = (code - pack[digit][e]) / 256;
            }
            second += static_cast<double>(pack[1][e] * pack[1][e]);
            third += static_cast<double>(pack[2][e] * pack[2][e]);
        }
#pragma unroll
        for (int digit = 0; digit < kDigits; ++digit) {
            const int (&of)[4] = pack[digit];
            *reinterpret_cast<char4*>(to + digit * plane + first) =
                make_char4(static_cast<signed char>(of[0]), static_cast<signed char>(of[1]),
                           static_cast<signed char>(of[2]), static_cast<signed char>(of[3]));
        }
    }
    norm = over_warp(norm);
    residual = over_warp(residual);
    second = over_warp(second);
    third = over_warp(third);
    if (lane != 0) return;

    const double unit = scale * 65536.0;
    const double m = sqrt(norm), u1 = sqrt(second) * unit * 0x1p-8, u2 = sqrt(third) * unit * 0x1p-16;
    const double rho = sqrt(residual) + m * 0x1p-48;  // and the roundings of x' and r
    const double whole = m + rho + 2.0 * (u1 + u2), reach = fmax(whole, 0x1p22 * rho),
                 tail = fmax(u1 + 0.5 * u2, 256 * u2);
    const double width = static_cast<double>(d);
    const double window = sqrt(0x1p-20 * reach * reach + 11 * 0x1p-24 * whole * whole + 0x1p-6 * tail * tail +
                               (0x1p-7 + 0x1p-15 * width) * unit * unit);
    digits.norm[index] = __double2float_rn(norm);
    digits.unit[index] = static_cast<float>(unit);
    digits.window[index] =
        ordinary ? __double2float_ru(fmax(window * (1.0 + 0x1p-16), 0x1p-40)) : __uint_as_float(kInfinity);
}

template <class T>
cudaError_t centre_of(const void* matrix, std::int64_t n, std::int64_t d, double* centre, cudaStream_t stream) {
    return launch(centre_kernel<T>, static_cast<unsigned>((d + kWarp - 1) / kWarp), kThreads, 0, stream,
                  static_cast<const T*>(matrix), n, d, centre);
}
template <class T>
cudaError_t digits_of(const void* matrix, std::int64_t n, std::int64_t d, const double* centre, const Digits& digits,
                      cudaStream_t stream) {
    return launch(digits_kernel<T>, static_cast<unsigned>((digits.rows + kWarps - 1) / kWarps), kThreads, 0, stream,
                  static_cast<const T*>(matrix), n, d, centre, digits);
}

Digits taken(Slices& memory, std::int64_t n, std::int64_t d) {
    const std::int64_t rows = padded(n), width = padded(d);
    auto* const values = memory.take<std::int8_t>(kDigits * rows * width);
    return {values, memory.take<float>(rows), memory.take<float>(rows), memory.take<float>(rows), rows, width};
}

}  // namespace

Digits Digits::at(void* memory, std::int64_t n, std::int64_t d) {
    Slices slices(memory);
    return taken(slices, n, d);
}

std::size_t digits_bytes(std::int64_t n, std::int64_t d) {
    Slices slices(nullptr);
    taken(slices, n, d);
    return static_cast<std::size_t>(slices.used());
}

cudaError_t find_centre(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, double* centre,
                        cudaStream_t stream) {
    return by_type(type, [&](auto of) { return centre_of<decltype(of)>(matrix, n, d, centre, stream); });
}

cudaError_t make_digits(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const double* centre,
                        const Digits& digits, cudaStream_t stream) {
    return by_type(type, [&](auto of) { return digits_of<decltype(of)>(matrix, n, d, centre, digits, stream); });
}

}  // namespace rsir::cuda
