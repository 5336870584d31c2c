// What the kernels ask of the device beyond C++ and CUDA's own functions. tests/kernels/simt has the same for the host.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <type_traits>

namespace rsir::cuda {

template <class... Parameters>
void start(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes, cudaStream_t stream,
           std::common_type_t<Parameters>... arguments) {
    kernel<<<grid, threads, shared_bytes, stream>>>(arguments...);
}

// The block's dynamic shared memory, and its address there.
template <class T>
__device__ T* dynamic_shared() {
    extern __shared__ __align__(1024) unsigned char bytes[];
    return reinterpret_cast<T*>(bytes);
}
__device__ inline std::uint32_t shared_base() {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(dynamic_shared<char>()));
}

// Hides from the compiler that a value is the same as before.
__device__ inline void forget(float& value) { asm volatile("" : "+f"(value)); }
__device__ inline void forget(int& value) { asm volatile("" : "+r"(value)); }
__device__ inline void forget(double& value) { asm volatile("" : "+d"(value)); }
template <class T>
__device__ void forget(const T*& in_memory) {
    std::size_t address = __cvta_generic_to_global(in_memory);
    asm volatile("" : "+l"(address));
    in_memory = static_cast<const T*>(__cvta_global_to_generic(address));
}

// The compiler moves no access to memory across.
__device__ inline void keep_order() { asm volatile("" ::: "memory"); }

}  // namespace rsir::cuda
