// Exact widening of the element types (types.h) to float64.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace rsir::cuda {

__device__ inline double widen(float value) { return static_cast<double>(value); }
__device__ inline double widen(double value) { return value; }
__device__ inline double widen(__half value) { return static_cast<double>(__half2float(value)); }
__device__ inline double widen(__nv_bfloat16 value) { return static_cast<double>(__bfloat162float(value)); }

// As registers hold an element: no wider than it must be to be exact.
__device__ inline float held(float value) { return value; }
__device__ inline double held(double value) { return value; }
__device__ inline float held(__half value) { return __half2float(value); }
__device__ inline float held(__nv_bfloat16 value) { return __bfloat162float(value); }

}  // namespace rsir::cuda
