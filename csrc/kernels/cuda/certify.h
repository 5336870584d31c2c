// Certify, then decide: a fast pass over small copies (sidecar.h) keeps every item that a proven bound cannot exclude;
// those few are measured again in the canonical order. Many queries multiply half-precision copies on the tensor cores
// (sm_80 and newer), few read int8 copies as a stream. Where int8 leaves too many, half precision is tried as well; a
// query in whose case this does not help either is searched by euclidean_scan instead.
//
// Bound. x^ is the copy of x, rho_x >= |x - x^|, so | |x - y| - |x^ - y^| | <= rho_x + rho_y. The pass computes A,
// |A - |x^ - y^|^2| <= E = g (|x^|^2 + |y^|^2). g bounds the error of the sum of products: integers have none; the
// tensor cores cut each of their addends (16 products and the sum so far) and the result at 2^-23 of the largest: 2^-18
// a step of 16 elements, with some to spare. 2^-20 more is for the roundings of A and of its test in float32: nine of
// up to 2^-24 (|x^|^2 + |y^|^2) each. With T an upper bound of the k-th distance, an item can be in the answer only if
// |x - y| <= T, so it is excluded where A > (T + rho_x + rho_y)^2 + E, by its own rho_y and |y^|. Products of the
// tensor cores are screened before, by the largest rho_y of their tile and in two sums: their roundings are 2^-24 of no
// more than 4 |x^|^2 + 3 |y^|^2, and of twice the right side, which has 2^-18 of itself to spare for them.
//
// Integers. A row of the database has codes c_y of 8 bits; a query, of which there are few, such of 16, so that of its
// rho_x next to nothing is left: c = 256 h + l, |c| <= 127 * 257, |h| <= 127, -128 <= l <= 127. The sums of h c_y and
// of l c_y are less than 128 * 127 * 2^16 < 2^31, and 256 times the one plus the other is exact in 64 bits; rounding it
// to float32 is one of the nine above, as is that of a sum of 32 bits. Where products of integers are screened, by a
// factor 1 / (2 s) that is rounded, the roundings are 2^-24 of no more than 7 |x^|^2 + 4 |y^|^2 and six of the right
// side: the sum, its sum with the bias, the bias (2 units, upwards), the norms and the factor.
//
// T. Any k items or more prove that the k-th distance is at most the largest of theirs. Those with the smallest A so
// far are taken: int8 copies measure them canonically, and T is the root of the largest canonical distance;
// half-precision copies, whose rho is small, take max (sqrt(A + E) + rho_x + rho_y). T never grows. An item that is
// excluded has a canonical distance above that of k others: both are float64 sums of a relative error below 2^-24 (up
// to 2^33 columns) rounded to float32, 2^-24 of them or 2^-150, and the test has 2^-18 to spare of (T + rho_x)^2 and 2
// (T + rho_x) rho_y and g 2^-20 of the norms, which are 2^-80 at least or 0. So it is farther, not only as far: ties
// stay and are decided by their ids.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/euclidean_topk.h"
#include "kernels/cuda/sidecar.h"

namespace rsir::cuda {

constexpr std::int64_t kMostStreamed = 8;            // queries of an int8 search,
constexpr std::int64_t kMostWords = 64;              // where warpgroups multiply bytes
constexpr std::int64_t kMostIntegerWidth = 1 << 16;  // columns: beyond, a sum of products could leave 32 bits

// Whether the current device has the instructions of certified_topk's products, and this build code for them. Those of
// up to kMostStreamed queries by integers need none.
cudaError_t certify_runs(bool* runs);
// Queries of an int8 search on the current device.
cudaError_t most_by_integers(std::int64_t* queries);

// The copies of `database` of which a search has values: with int8, for up to most_by_integers queries of up to
// kMostIntegerWidth columns, half precision is for the queries in whose case int8 leaves too many.
std::size_t certify_bytes(const Copies& database, std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k);

// The answer of euclidean_topk; 1 <= k <= kMostSelected. `database`: copies of problem.database; `workspace` holds
// certify_bytes and begins afterwards with int [2, q]: the items that were decided, and 1 where they were too many and
// the query was searched without them.
cudaError_t certified_topk(const EuclideanProblem& problem, const Copies& database, std::int64_t k, void* workspace,
                           float* distances, std::int64_t* ids, cudaStream_t stream);

}  // namespace rsir::cuda
