// gaussian_normalize on the device: the contract of kernels/gaussian_normalize.h, device pointers, the caller's stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/types.h"

namespace rsir::cuda {

// Queued on `stream` of the current device; returns the launch error without waiting. `out` may be `features` itself
// where that is float32.
cudaError_t gaussian_normalize(const void* features, FloatType type, std::int64_t n, std::int64_t d, float* out,
                               cudaStream_t stream);

}  // namespace rsir::cuda
