// The canonical order of kernels/cpu/lanes.h on a warp: thread j is lane j. Compiled with -fmad=false.
#pragma once

namespace rsir::cuda {

constexpr int kWarp = 32;
constexpr unsigned kWholeWarp = 0xffffffffu;

// Folds the 32 lane sums by halves; every thread returns the sum.
__device__ inline double fold_lanes(double sum) {
    // The upper half adds something of no use; what lane 0 gets is the canonical order.
    for (int half = kWarp / 2; half >= 1; half /= 2) sum += __shfl_down_sync(kWholeWarp, sum, half);
    return __shfl_sync(kWholeWarp, sum, 0);
}

}  // namespace rsir::cuda
