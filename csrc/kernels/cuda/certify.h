// Certify, then decide: a fast pass over small copies (sidecar.h) keeps every item that a proven bound cannot exclude;
// those few are measured again in the canonical order. Many queries multiply half-precision copies on the tensor cores
// (sm_80 and newer), few read int8 copies as a stream. A query whose items are too many to keep is searched by
// euclidean_scan instead.
//
// Bound. x^ is the copy of x, rho >= |x - x^|, so | |x - y| - |x^ - y^| | <= rho_x + rho_y. The pass computes A,
// |A - |x^ - y^|^2| <= E = (g + 2^-20) (|x^|^2 + |y^|^2). g bounds the error of the sum of products: integers have
// none; the tensor cores cut each of their addends (16 products and the sum so far) and the result at 2^-23 of the
// largest: 2^-18 a step of 16 elements, with some to spare. 2^-20 is for A's own float32 operations. With T an upper
// bound of the k-th true distance, an item stays unless A > (T + rho_x + rho_y)^2 + E. Each phase takes T from the k
// smallest A it has seen.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/euclidean_topk.h"
#include "kernels/cuda/sidecar.h"

namespace rsir::cuda {

constexpr std::int64_t kMostStreamed = 8;            // queries of an int8 search
constexpr std::int64_t kMostIntegerWidth = 1 << 16;  // columns: beyond, a sum of products could leave 32 bits

// Whether the current device has the instructions of certified_topk's products, and this build code for them. Those of
// up to kMostStreamed queries by integers need none.
cudaError_t certify_runs(bool* runs);

std::size_t certify_bytes(Codes codes, std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k);

// The answer of euclidean_topk; 1 <= k <= kMostSelected. `database` is the sidecar of problem.database (of int8 for up
// to kMostStreamed queries of up to kMostIntegerWidth columns), `workspace` holds certify_bytes and begins afterwards
// with int [2, q]: the items that were decided, and 1 where they were too many and the query was searched without them.
cudaError_t certified_topk(const EuclideanProblem& problem, const Sidecar& database, std::int64_t k, void* workspace,
                           float* distances, std::int64_t* ids, cudaStream_t stream);

}  // namespace rsir::cuda
