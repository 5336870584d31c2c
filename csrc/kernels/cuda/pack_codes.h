// pack_codes on the device: the contract of kernels/pack_codes.h, device pointers, the caller's stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/types.h"

namespace rsir::cuda {

// Queued on `stream` of the current device; returns the launch error without waiting.
cudaError_t pack_codes(const void* values, FloatType type, std::int64_t n, std::int64_t b, std::uint8_t* codes,
                       cudaStream_t stream);

}  // namespace rsir::cuda
