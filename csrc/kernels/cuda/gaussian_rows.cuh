// A row held by a warp in registers, and its Gaussian normalisation.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/lanes.cuh"
#include "kernels/cuda/widen.cuh"

namespace rsir::cuda {

// A row's mean, and the factor of equation 2; where that is 0, the whole row becomes `fill`.
struct RowMap {
    double mu, scale;
    float fill;

    __device__ float operator()(double value) const { return static_cast<float>(0.5 + (value - mu) * scale); }
};

__device__ inline RowMap row_map(bool constant, double mu, double squares, double count) {
    const double sigma = sqrt(squares / count);
    if (constant || sigma == 0.0) return {0.0, 0.0, 0.5f};
    if (!isfinite(sigma)) return {0.0, 0.0, __uint_as_float(0x7fc00000u)};
    return {mu, 1.0 / (6.0 * sigma), 0.0f};
}

// Element r 32 + lane is values[r]. kWhole: d is 32 kRounds. What is forgotten is widened, or tested against the end of
// the row, again in the next pass: there are no registers to keep both copies.
template <class T, int kRounds, bool kWhole>
struct RegisterRow {
    using Value = decltype(held(T()));

    Value values[kRounds];
    int d, lane;

    // Beyond the end the last element again, so that all loads are in flight at once, none under a condition.
    __device__ RegisterRow(const T* from, int columns) : d(columns), lane(threadIdx.x % kWarp) {
#pragma unroll
        for (int r = 0; r < kRounds; ++r) {
            values[r] = held(from[kWhole ? r * kWarp + lane : min(r * kWarp + lane, d - 1)]);
        }
    }

    __device__ RowMap map() {
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
        return row_map(__all_sync(kWholeWarp, constant), mu, fold_lanes(squares), d);
    }

    // Calls put(i, value) for every element of this thread.
    template <class Put>
    __device__ void each(const Put& put) {
        int left = d - lane;
        forget(left);
#pragma unroll
        for (int r = 0; r < kRounds; ++r) {
            forget(values[r]);
            if (kWhole || r * kWarp < left) put(r * kWarp + lane, values[r]);
        }
    }

    // Calls put(i, normalised value) for every element of this thread.
    template <class Put>
    __device__ void each_normalized(const RowMap& map, const Put& put) {
        if (map.scale == 0.0) {
            for (int i = lane; i < d; i += kWarp) put(i, map.fill);
        } else {
            each([&](int i, Value value) { put(i, map(static_cast<double>(value))); });
        }
    }
};

template <class T>
constexpr std::int64_t kMostInRegisters = kWarp * (sizeof(T) == 8 ? 32 : 128);  // columns

template <int kCount, bool kAll>
struct Rounds {
    static constexpr int kRounds = kCount;
    static constexpr bool kWhole = kAll;
};

// Calls body(Rounds) for rows of d <= kMostInRegisters columns. float64 takes twice the registers; float32 is what
// features come in, so it has a kernel for every common length.
template <class T, class Body>
cudaError_t by_rounds(std::int64_t d, const Body& body) {
    if constexpr (sizeof(T) == 4) {
        if (d == 1024) return body(Rounds<32, true>());
        if (d == 2048) return body(Rounds<64, true>());
        if (d == 4096) return body(Rounds<128, true>());
        if (d > 1024 && d < 2048) return body(Rounds<64, false>());
    }
    if constexpr (sizeof(T) <= 4) {
        if (d > 1024) return body(Rounds<128, false>());
    }
    return body(Rounds<32, false>());
}

}  // namespace rsir::cuda
