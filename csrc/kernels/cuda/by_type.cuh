// From the name of an element type to the type.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include "kernels/cuda/types.h"

namespace rsir::cuda {

// Calls visit(T()) for the type of the elements.
template <class Visit>
cudaError_t by_type(FloatType type, const Visit& visit) {
    switch (type) {
        case FloatType::float16:
            return visit(__half());
        case FloatType::bfloat16:
            return visit(__nv_bfloat16());
        case FloatType::float32:
            return visit(float());
        case FloatType::float64:
            return visit(double());
    }
    return cudaErrorInvalidValue;
}

}  // namespace rsir::cuda
