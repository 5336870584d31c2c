#include <algorithm>

#include "kernels/cuda/pack_codes.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMaxBlocks = 1 << 16;

__device__ bool positive(float u) { return u > 0.0f; }
__device__ bool positive(double u) { return u > 0.0; }
__device__ bool positive(__half u) { return __half2float(u) > 0.0f; }
__device__ bool positive(__nv_bfloat16 u) { return __bfloat162float(u) > 0.0f; }

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
        for (int j = 0; j < count; ++j) byte |= static_cast<unsigned>(positive(values[row * b + first + j])) << j;
        codes[i] = static_cast<std::uint8_t>(byte);
    }
}

template <class T>
cudaError_t launch(const void* values, std::int64_t n, std::int64_t b, std::uint8_t* codes, cudaStream_t stream) {
    const std::int64_t bytes = (b + 7) / 8;
    const std::int64_t blocks = std::min((n * bytes + kThreads - 1) / kThreads, kMaxBlocks);
    if (blocks == 0) return cudaSuccess;
    pack_codes_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(static_cast<const T*>(values), n, b,
                                                                              bytes, codes);
    return cudaGetLastError();
}

}  // namespace

cudaError_t pack_codes(const void* values, FloatType type, std::int64_t n, std::int64_t b, std::uint8_t* codes,
                       cudaStream_t stream) {
    switch (type) {
        case FloatType::float16:
            return launch<__half>(values, n, b, codes, stream);
        case FloatType::bfloat16:
            return launch<__nv_bfloat16>(values, n, b, codes, stream);
        case FloatType::float32:
            return launch<float>(values, n, b, codes, stream);
        case FloatType::float64:
            return launch<double>(values, n, b, codes, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace rsir::cuda
