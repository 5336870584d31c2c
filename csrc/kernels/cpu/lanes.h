// The one order in which this project adds float64 numbers.
//
// Element i goes to lane i % 32; each lane adds its elements in increasing i, starting from 0; the 32 lane sums are
// folded by halves: lane j += lane j + 16, then + 8, + 4, + 2, + 1. No fused multiply-add (-ffp-contract=off).
// Why 32: eight AVX2, four AVX-512 or sixteen NEON accumulators hide the latency of the addition, and on a GPU it is
// one warp. Padding a vector with zeros to a multiple of 32 changes no sum of squares, so the kernels have no tails.
#pragma once

#include <cstdint>

namespace rsir {

constexpr std::int64_t kLanes = 32;

constexpr std::int64_t padded(std::int64_t d) { return (d + kLanes - 1) / kLanes * kLanes; }

inline double fold_lanes(double* lanes) {
    for (std::int64_t half = kLanes / 2; half >= 1; half /= 2) {
        for (std::int64_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
    }
    return lanes[0];
}

}  // namespace rsir
