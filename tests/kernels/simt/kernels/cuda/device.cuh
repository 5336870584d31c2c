// The host's twin of csrc/kernels/cuda/device.cuh.
#pragma once

#include <type_traits>

#include "cuda_runtime_api.h"

namespace rsir::cuda {

template <class... Parameters>
void start(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes, cudaStream_t,
           std::common_type_t<Parameters>... arguments) {
    if (shared_bytes > static_cast<std::size_t>(simt::allowed(reinterpret_cast<void*>(kernel)))) {
        simt::last_error() = cudaErrorInvalidValue;
        return;
    }
    simt::run({grid.x, grid.y, grid.z}, static_cast<unsigned>(threads), shared_bytes, [&] { kernel(arguments...); });
}

template <class T>
T* dynamic_shared() {
    return reinterpret_cast<T*>(simt::shared());
}
inline std::uint32_t shared_base() { return 0; }

inline void forget(float&) {}
inline void forget(int&) {}
inline void forget(double&) {}
template <class T>
void forget(const T*&) {}
inline void keep_order() {}

}  // namespace rsir::cuda
