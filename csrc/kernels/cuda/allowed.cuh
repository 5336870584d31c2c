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

// Bit i: whether item + i is allowed, for i < count <= 8 and item + i < n. There must be a bitmap.
__device__ inline unsigned allowed_bits(const Allowed& allowed, std::int64_t item, int count, std::int64_t n) {
    const int there = static_cast<int>(min(n - item, static_cast<std::int64_t>(count)));
    if (there <= 0) return 0;
    const std::int64_t bit = allowed.first + item;
    const std::uint8_t* from = allowed.bits + bit / 8;
    const int shift = static_cast<int>(bit % 8);
    unsigned bits = __ldg(from);
    if (shift + there > 8) bits |= static_cast<unsigned>(__ldg(from + 1)) << 8;
    return bits >> shift & ((1u << there) - 1);
}

}  // namespace rsir::cuda
