// Certify, then decide, for many queries on the device (sm_80 and newer). The fast pass multiplies half-precision
// copies on the tensor cores and keeps every item that a proven bound cannot exclude; those few are measured again in
// the canonical order. A query whose items are too many to keep is searched by euclidean_scan instead.
//
// Bound. x^ = scale * c is the copy of x with half-precision c, rho >= |x - x^|, so | |x - y| - |x^ - y^| | <= rho_x +
// rho_y. The pass computes A, |A - |x^ - y^|^2| <= E = (g + 2^-20) (|x^|^2 + |y^|^2): g bounds the tensor cores' sum,
// which cuts each of its addends (16 products and the sum so far) and the result at 2^-23 of the largest: 2^-18 a step
// of 16 elements, with some to spare; 2^-20 is for A's own float32 operations. With T an upper bound of the k-th true
// distance, an item stays unless A > (T + rho_x + rho_y)^2 + E. Each phase takes T from the k smallest A it has seen.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/euclidean_topk.h"

namespace rsir::cuda {

// Rows and columns of the product that one block makes, and elements of a row that it loads at a time.
constexpr std::int64_t kQueryTile = 128, kItemTile = 256, kDepthTile = 64;

// The half-precision copy of a matrix, in memory of sidecar_bytes; rows are padded to a tile.
struct Sidecar {
    __half* values;          // [rows, width]: x / scale, 0 beyond d
    float* scale;            // [rows]: a power of two
    float* norm;             // [rows]: |x^|^2; NaN where the row cannot be excluded (NaN, infinity, extreme values)
    float* residual;         // [rows]: rho
    std::uint32_t* maximum;  // bits of the largest norm and of the largest residual
    std::int64_t width;

    static std::int64_t padded_rows(std::int64_t n) { return (n + kItemTile - 1) / kItemTile * kItemTile; }
    static Sidecar at(void* memory, std::int64_t n, std::int64_t d);
};

std::size_t sidecar_bytes(std::int64_t n, std::int64_t d);
cudaError_t make_sidecar(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const Sidecar& sidecar,
                         cudaStream_t stream);

std::size_t certify_bytes(std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k);

// The answer of euclidean_topk; 1 <= k <= kMostSelected. `database` is the sidecar of problem.database, `workspace`
// holds certify_bytes.
cudaError_t certified_topk(const EuclideanProblem& problem, const Sidecar& database, std::int64_t k, void* workspace,
                           float* distances, std::int64_t* ids, cudaStream_t stream);

}  // namespace rsir::cuda
