// euclidean_topk on the device: the contract of kernels/euclidean_topk.h in two steps, on the caller's stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/allowed.h"
#include "kernels/cuda/select.h"
#include "kernels/cuda/types.h"

namespace rsir::cuda {

struct EuclideanProblem {
    const void* queries;   // [q, d]
    const void* database;  // [n, d], of the same type
    FloatType type;
    std::int64_t q, n, d;
    Allowed allowed = {};  // only these items are answers; a bitmap on the device
};

// Parts into which the database is split for that many queries, so that the device is full.
std::int64_t euclidean_parts(std::int64_t q, std::int64_t n, std::int64_t k, int multiprocessors);

// keys [q, k, parts]: the k best of each part by canonical distance, kNoKey where it has fewer; select_smallest makes
// the answer of them. 1 <= k <= kMostSelected.
cudaError_t euclidean_scan(const EuclideanProblem& problem, std::int64_t k, std::int64_t parts, Key* keys,
                           cudaStream_t stream);

// The answers of the queries that the list `queries` [1 + q] names; `keys` [most_lists(q), k].
cudaError_t euclidean_scan_again(const EuclideanProblem& problem, std::int64_t k, const int* queries, Key* keys,
                                 float* distances, std::int64_t* ids, cudaStream_t stream);

// keys [q, n]: all of them; kLastKey where an item is not allowed.
cudaError_t euclidean_keys(const EuclideanProblem& problem, Key* keys, cudaStream_t stream);

}  // namespace rsir::cuda
