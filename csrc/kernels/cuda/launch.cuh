// Puts a kernel on a stream.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/device.cuh"

namespace rsir::cuda {

// Lets a kernel have as much dynamic shared memory as a block can, once on each device. What is allowed belongs to the
// kernel and not to a launch: if it were the size of this one, a smaller one of another thread could come between.
template <class... Parameters>
cudaError_t allow_shared(void (*kernel)(Parameters...), std::size_t bytes) {
    cudaFuncAttributes attributes = {};
    cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
    if (error != cudaSuccess || static_cast<std::size_t>(attributes.maxDynamicSharedSizeBytes) >= bytes) return error;
    int device = 0, most = 0;
    error = cudaGetDevice(&device);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    if (error != cudaSuccess) return error;
    const int largest = std::max(most - static_cast<int>(attributes.sharedSizeBytes), static_cast<int>(bytes));
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, largest);
}

// `shared_bytes` of dynamic shared memory a block; an empty grid is an error.
template <class... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes, cudaStream_t stream,
                   std::common_type_t<Parameters>... arguments) {
    constexpr std::size_t kUnasked = 32 * 1024;  // that every kernel may have, beside what it has of static
    const cudaError_t error = shared_bytes > kUnasked ? allow_shared(kernel, shared_bytes) : cudaSuccess;
    if (error != cudaSuccess) {
        cudaGetLastError();  // this thread's next launch would tell of it once more
        return error;
    }
    start<Parameters...>(kernel, grid, threads, shared_bytes, stream, arguments...);
    return cudaGetLastError();
}

}  // namespace rsir::cuda
