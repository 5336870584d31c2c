#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pack_codes.h"
#include "kernels/cuda/widen.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMaxBlocks = 1 << 16;

// One thread makes one byte: a warp reads 256 neighbouring values and writes 32 neighbouring bytes.
template <class T>
__global__ void pack_codes_kernel(const T* values, std::int64_t n, std::int64_t b, std::int64_t bytes,
                                  std::uint8_t* codes) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n * bytes;
         i += stride) {
        const std::int64_t row = i / bytes, first = i % bytes * 8;
        const int count = static_cast<int>(min(static_cast<long long>(b - first), 8LL));
        unsigned byte = 0;
        for (int j = 0; j < count; ++j) byte |= static_cast<unsigned>(widen(values[row * b + first + j]) > 0.0) << j;
        codes[i] = static_cast<std::uint8_t>(byte);
    }
}

template <class T>
cudaError_t pack(const void* values, std::int64_t n, std::int64_t b, std::uint8_t* codes, cudaStream_t stream) {
    const std::int64_t bytes = (b + 7) / 8;
    const std::int64_t blocks = std::min((n * bytes + kThreads - 1) / kThreads, kMaxBlocks);
    if (blocks == 0) return cudaSuccess;
    return launch(pack_codes_kernel<T>, static_cast<unsigned>(blocks), kThreads, 0, stream,
                  static_cast<const T*>(values), n, b, bytes, codes);
}

}  // namespace

cudaError_t pack_codes(const void* values, FloatType type, std::int64_t n, std::int64_t b, std::uint8_t* codes,
                       cudaStream_t stream) {
    switch (type) {
        case FloatType::float16:
            return pack<__half>(values, n, b, codes, stream);
        case FloatType::bfloat16:
            return pack<__nv_bfloat16>(values, n, b, codes, stream);
        case FloatType::float32:
            return pack<float>(values, n, b, codes, stream);
        case FloatType::float64:
            return pack<double>(values, n, b, codes, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace rsir::cuda
