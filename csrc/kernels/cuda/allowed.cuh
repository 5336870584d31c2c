// Which items may be answers (kernels/allowed.h), asked on the device.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/allowed.h"

namespace rsir::cuda {

__device__ inline bool all_allowed(const Allowed& allowed) { return allowed.bits == nullptr; }

// item < n, of which there is nothing to read beyond.
__device__ inline bool is_allowed(const Allowed& allowed, std::int64_t item) {
    if (all_allowed(allowed)) return true;
    const std::int64_t bit = allowed.first + item;
    return (__ldg(allowed.bits + bit / 8) >> (bit % 8) & 1) != 0;
}

// Whether one of the items item, ..., item + count - 1 that are below n is.
__device__ inline bool any_allowed(const Allowed& allowed, std::int64_t item, int count, std::int64_t n) {
    if (all_allowed(allowed)) return true;
    for (int i = 0; i < count && item + i < n; ++i) {
        if (is_allowed(allowed, item + i)) return true;
    }
    return false;
}

}  // namespace rsir::cuda
