// Element types that the device ops accept, and their exact widening to float64.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace rsir::cuda {

enum class FloatType { float16, bfloat16, float32, float64 };

#ifdef __CUDACC__
__device__ inline double widen(float value) { return static_cast<double>(value); }
__device__ inline double widen(double value) { return value; }
__device__ inline double widen(__half value) { return static_cast<double>(__half2float(value)); }
__device__ inline double widen(__nv_bfloat16 value) { return static_cast<double>(__bfloat162float(value)); }
#endif

}  // namespace rsir::cuda
