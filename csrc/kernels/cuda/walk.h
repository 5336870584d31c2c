// In which order a search of several phases visits a database.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace rsir::cuda {

// Step t of a walk over all tiles visits tile t * stride % tiles: any beginning of it is a sample of the database.
inline std::int64_t stride_of(std::int64_t tiles) {
    std::int64_t stride = std::max<std::int64_t>(1, static_cast<std::int64_t>(0.618 * static_cast<double>(tiles)));
    while (std::gcd(stride, tiles) != 1) ++stride;
    return stride;
}

// Calls phase(first, count) for steps [first, first + count): `beginning` steps, then each time `growth` - 1 times as
// many as all before.
template <class Phase>
cudaError_t each_phase(std::int64_t tiles, std::int64_t beginning, std::int64_t growth, const Phase& phase) {
    std::int64_t count = 0;
    for (std::int64_t seen = 0; seen < tiles; seen += count) {
        count = seen == 0 ? std::min(tiles, beginning) : std::min(tiles - seen, seen * (growth - 1));
        const cudaError_t error = phase(seen, count);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

}  // namespace rsir::cuda
