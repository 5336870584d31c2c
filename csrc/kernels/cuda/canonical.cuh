// The canonical distance (kernels/euclidean_topk.h) by warps.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/lanes.cuh"
#include "kernels/cuda/widen.cuh"

namespace rsir::cuda {

constexpr std::uint32_t kQuietNaN = 0x7fc00000u;
constexpr std::uint32_t kInfinity = 0x7f800000u;

__device__ inline std::uint32_t distance_bits(double squared) {
    const float rounded = __double2float_rn(squared);
    return isnan(rounded) ? kQuietNaN : __float_as_uint(rounded);
}

// fold_lanes of kCount sums together: at each step a lane hands half of its sums to its partner and takes the partner's
// share of the other half. Which of the two is added to which does not matter: addition commutes.
template <int kHalf, int kCount, class Sum>
__device__ Sum fold_pairs(const Sum (&sums)[kCount], int lane) {
    constexpr int kLeft = kCount > 1 ? kCount / 2 : 1;
    const bool upper = (lane & kHalf) != 0;
    Sum next[kLeft];
#pragma unroll
    for (int s = 0; s < kLeft; ++s) {
        const Sum low = sums[s], high = sums[kCount > 1 ? s + kLeft : s];
        next[s] = (upper ? high : low) + __shfl_xor_sync(kWholeWarp, upper ? low : high, kHalf);
    }
    if constexpr (kHalf > 1) {
        return fold_pairs<kHalf / 2>(next, lane);
    } else {
        return next[0];
    }
}

// The squared distances of kRows rows to kQueries queries, one warp; lane j gets that of Pair::row and Pair::query.
template <int kQueries, int kRows, class T>
__device__ double squared_distances(const T* (&queries)[kQueries], const T* (&rows)[kRows], std::int64_t d) {
    const int lane = threadIdx.x % kWarp;
    double sums[kQueries * kRows] = {};
#pragma unroll(kQueries == 1 ? 4 : 1)
    for (std::int64_t i = lane; i < d; i += kWarp) {
        double row[kRows];
#pragma unroll
        for (int r = 0; r < kRows; ++r) row[r] = widen(rows[r][i]);
#pragma unroll
        for (int j = 0; j < kQueries; ++j) {
            const double query = widen(queries[j][i]);
#pragma unroll
            for (int r = 0; r < kRows; ++r) {
                const double difference = query - row[r];
                sums[r * kQueries + j] += difference * difference;
            }
        }
    }
    return fold_pairs<kWarp / 2>(sums, lane);
}

// What one lane holds after squared_distances.
template <int kQueries, int kRows>
struct Pair {
    static constexpr int kLanes = kWarp / (kQueries * kRows);  // that hold the same

    int query, row;
    bool leader;

    __device__ Pair() {
        const int lane = threadIdx.x % kWarp;
        query = lane / kLanes % kQueries;
        row = lane / kLanes / kQueries;
        leader = lane % kLanes == 0;
    }
};

}  // namespace rsir::cuda
