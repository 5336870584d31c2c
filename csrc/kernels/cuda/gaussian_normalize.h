// gaussian_normalize on the device: the contract of kernels/gaussian_normalize.h, device pointers, the caller's stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/types.h"

namespace rsir::cuda {

// Queued on `stream` of the current device; returns the launch error without waiting. `out` may be `features` itself
// where that is float32.
cudaError_t gaussian_normalize(const void* features, FloatType type, std::int64_t n, std::int64_t d, float* out,
                               cudaStream_t stream);

// Mean and deviation of each column, mu [d] and sigma [d], n >= 1; `workspace` holds gaussian_statistics_bytes. Reads
// the matrix twice, each time by 32 d threads: a lane of a column is one sequence of n / 32 additions, so narrow
// matrices leave most of a device idle (d = 64: 2,048 threads).
std::size_t gaussian_statistics_bytes(std::int64_t d);
cudaError_t gaussian_statistics(const void* features, FloatType type, std::int64_t n, std::int64_t d, void* workspace,
                                double* mu, double* sigma, cudaStream_t stream);

// Normalises by given statistics: one read, one write. `scale` [d] is workspace; `out` as above.
cudaError_t gaussian_apply(const void* features, FloatType type, std::int64_t n, std::int64_t d, const double* mu,
                           const double* sigma, double* scale, float* out, cudaStream_t stream);

}  // namespace rsir::cuda
