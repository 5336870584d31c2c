// What is made of the sums of digits.h.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/digits.h"

namespace rsir::cuda {

// A: -2 t_x, t_y, and the sum of both norms.
__device__ inline float near_distance(std::int32_t s0, std::int32_t s1, std::int32_t s2, float twice_unit, float unit,
                                      float norms) {
    const float v = __fmaf_rn(static_cast<float>(s1 + (s2 >> 8)), 0x1p-8f, static_cast<float>(s0));
    return __fmaf_rn(v * unit, twice_unit, norms);
}

// Between which numbers a canonical distance lies, if it is not NaN: each has the rounding of its own sum to spare.
struct Interval {
    float low, high;

    __device__ Interval(float near, float window_x, float window_y) {
        const float distance = fmaxf(near, 0.0f), off = __fmaf_rn(distance, 7 * 0x1p-24f, window_x * window_y);
        low = distance - off;
        high = distance + off;
    }
};

}  // namespace rsir::cuda
