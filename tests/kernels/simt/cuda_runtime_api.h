// What the kernels use of CUDA's runtime and its device functions, for the host of simt.h.
#pragma once

#include <math.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "simt.h"

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __shared__ static __attribute__((section("simt_shared")))

#define threadIdx (::simt::self().thread)
#define blockIdx (::simt::self().block)
#define blockDim (::simt::self().block_size)
#define gridDim (::simt::self().grid_size)

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1 };
enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount,
    cudaDevAttrComputeCapabilityMajor,
    cudaDevAttrMaxSharedMemoryPerBlockOptin
};
struct CUstream_st;
using cudaStream_t = CUstream_st*;

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned nx = 1, unsigned ny = 1, unsigned nz = 1) : x(nx), y(ny), z(nz) {}
};

namespace simt {

// Devices that this process uses, the one current in this thread, and what its last failed call returned.
inline std::set<int>& contexts() {
    static std::set<int> devices;
    return devices;
}
inline int& current_device() {
    static thread_local int device = 0;
    return device;
}
inline cudaError_t& last_error() {
    static thread_local cudaError_t error = cudaSuccess;
    return error;
}

// Bytes of dynamic shared memory that a launch of a kernel may ask for.
inline int& allowed(const void* kernel) {
    static std::mutex one_at_a_time;
    static std::map<const void*, int> bytes;
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    return bytes.emplace(kernel, 48 * 1024).first->second;
}

}  // namespace simt

inline cudaError_t cudaGetDevice(int* device) {
    *device = simt::current_device();
    return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
    simt::contexts().insert(device);
    simt::current_device() = device;
    return cudaSuccess;
}
inline cudaError_t cudaGetLastError() {
    const cudaError_t error = simt::last_error();
    simt::last_error() = cudaSuccess;
    return error;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    *value = attribute == cudaDevAttrMultiProcessorCount      ? simt::device().multiprocessors
             : attribute == cudaDevAttrComputeCapabilityMajor ? simt::device().compute_capability_major
                                                              : simt::device().shared_bytes_per_block;
    return cudaSuccess;
}
struct cudaFuncAttributes {
    int ptxVersion, maxDynamicSharedSizeBytes;
    std::size_t sharedSizeBytes;
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int bytes) {
    if (bytes > simt::device().shared_bytes_per_block) return simt::last_error() = cudaErrorInvalidValue;
    simt::allowed(reinterpret_cast<void*>(kernel)) = bytes;
    return cudaSuccess;
}
template <class... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Parameters...)) {
    const simt::Device& device = simt::device();
    attributes->maxDynamicSharedSizeBytes = simt::allowed(reinterpret_cast<void*>(kernel));
    attributes->sharedSizeBytes = 0;
    attributes->ptxVersion = device.compiled_for != 0 ? device.compiled_for : 10 * device.compute_capability_major;
    return cudaSuccess;
}
inline const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : "invalid value"; }
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
    std::memset(to, value, bytes);
    return cudaSuccess;
}

inline void __syncthreads() { simt::barrier(false); }
inline int __syncthreads_or(int predicate) { return simt::barrier(predicate != 0) ? 1 : 0; }

inline void __syncwarp(unsigned mask = 0xffffffffu) { simt::warp_barrier(mask); }

template <class T>
T from_lane(unsigned mask, T value, unsigned lane) {
    T other;
    std::memcpy(&other, simt::exchange(mask, &value, sizeof(T)) + lane * simt::kPiece, sizeof(T));
    return other;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
    return from_lane(mask, value, static_cast<unsigned>(lane) % 32);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta) {
    const unsigned lane = threadIdx.x % 32 + static_cast<unsigned>(delta);
    return from_lane(mask, value, lane < 32 ? lane : threadIdx.x % 32);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int other) {
    return from_lane(mask, value, (threadIdx.x % 32) ^ static_cast<unsigned>(other));
}
inline int __all_sync(unsigned mask, int predicate) {
    const unsigned char* pieces = simt::exchange(mask, &predicate, sizeof predicate);
    int all = 1;
    for (int lane = 0; lane < 32; ++lane) {
        int one;
        std::memcpy(&one, pieces + lane * simt::kPiece, sizeof one);
        all = all && one != 0;
    }
    return all;
}

template <class Integer>
Integer atomicAdd(Integer* to, Integer value) {
    simt::maybe_yield();
    return __atomic_fetch_add(to, value, __ATOMIC_RELAXED);
}
inline std::uint32_t atomicMax(std::uint32_t* to, std::uint32_t value) {
    simt::maybe_yield();
    std::uint32_t seen = __atomic_load_n(to, __ATOMIC_RELAXED);
    while (seen < value && !__atomic_compare_exchange_n(to, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return seen;
}

template <class T>
T __ldg(const T* from) {
    return *from;
}
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline std::uint32_t __float_as_uint(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline float __uint_as_float(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline double __longlong_as_double(long long bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline float __double2float_rn(double value) { return static_cast<float>(value); }
inline float __double2float_ru(double value) {
    const float nearest = static_cast<float>(value);
    return static_cast<double>(nearest) < value ? nextafterf(nearest, INFINITY) : nearest;
}

inline float __fmaf_rn(float a, float b, float sum) { return fmaf(a, b, sum); }
inline int __double2int_rn(double value) { return static_cast<int>(nearbyint(value)); }

struct char4 {
    signed char x, y, z, w;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
inline char4 make_char4(signed char x, signed char y, signed char z, signed char w) { return {x, y, z, w}; }
inline int __dp4a(int a, int b, int sum) {
    signed char x[4], y[4];
    std::memcpy(x, &a, sizeof a);
    std::memcpy(y, &b, sizeof b);
    return sum + x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3];
}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline long min(long a, long b) { return a < b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
