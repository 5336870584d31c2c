// A small copy of a matrix, from which a search can prove which rows cannot be among the k nearest (certify.h).
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/types.h"

namespace rsir::cuda {

// half: for the tensor cores, many queries. int8: half the bytes, for few queries, which are bound by reading. words:
// what these are multiplied by, queries of 16 bits, 256 h + l, as next to nothing is left of their residuals so.
enum class Codes { half, int8, words };

// Rows and columns of a product that one block makes, and elements of a row that it loads at a time.
constexpr std::int64_t kQueryTile = 128, kItemTile = 256, kDepthTile = 64;

// Row x is copied as x^ = scale * c. Rows are padded to a tile; what lies beyond n is never read as an answer.
struct Sidecar {
    Codes codes;
    void* values;     // [rows, width] __half or std::int8_t: c, 0 beyond d; of words [rows, 2, width]: h, then l
    float* scale;     // [rows]; of halves a power of two
    float* norm;      // [rows]: |x^|^2; NaN where the row cannot be excluded (NaN, infinity, extreme values)
    float* residual;  // [rows]: rho >= |x - x^|
    std::int64_t width;

    static std::int64_t padded_rows(std::int64_t n) { return (n + kItemTile - 1) / kItemTile * kItemTile; }
    static Sidecar at(void* memory, Codes codes, std::int64_t n, std::int64_t d);
};

std::size_t sidecar_bytes(Codes codes, std::int64_t n, std::int64_t d);

// Several copies at once: up to 4096 columns (1024 of float64) the matrix is read once for all of them. A copy does not
// depend on which others are made with it.
struct Copies {
    Sidecar half{}, int8{};  // without values: not wanted

    const Sidecar& of(Codes codes) const { return codes == Codes::half ? half : int8; }
};

// `normalized` [n, d], unless it is nullptr, receives what gaussian_normalize makes of the matrix, and is what is
// copied; it may be the matrix itself where that is float32.
cudaError_t make_copies(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const Copies& copies,
                        float* normalized, cudaStream_t stream);
cudaError_t make_sidecar(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const Sidecar& sidecar,
                         cudaStream_t stream);

}  // namespace rsir::cuda
