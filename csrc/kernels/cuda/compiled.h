// What a build holds for a device.
#pragma once

#include <cuda_runtime_api.h>

namespace rsir::cuda {

// Whether what the current device runs of a kernel was compiled for a compute capability (10 major + minor) of at least
// `least` and below `end`. Where a build has no code for a device, it gets that of an older one, compiled again, in
// which the kernel may be empty.
template <class... Parameters>
cudaError_t compiled_for(void (*kernel)(Parameters...), int least, int end, bool* is) {
    cudaFuncAttributes attributes = {};
    const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
    *is = error == cudaSuccess && attributes.ptxVersion >= least && attributes.ptxVersion < end;
    return error;
}

}  // namespace rsir::cuda
