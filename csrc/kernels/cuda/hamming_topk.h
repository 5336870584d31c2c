// hamming_topk on the device: the contract of kernels/hamming_topk.h in two steps, on the caller's stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/allowed.h"
#include "kernels/cuda/select.h"

namespace rsir::cuda {

// Codes here are rows of whole 64-bit words, 8-byte aligned; `mask` holds the bits of the last word that count.
struct HammingProblem {
    const std::uint64_t* queries;   // [q, words]
    const std::uint64_t* database;  // [n, words]
    std::int64_t q, n;
    int words;
    std::uint64_t mask;
    Allowed allowed = {};  // only these items are answers; a bitmap on the device
};

// Parts into which the database is split for that many queries, so that the device is full.
std::int64_t hamming_parts(std::int64_t q, std::int64_t n, std::int64_t k, int multiprocessors);

// keys [q, k, parts]: the k best of each part, kNoKey where it has fewer; select_smallest makes the answer of them.
// 1 <= k <= kMostSelected.
cudaError_t hamming_scan(const HammingProblem& problem, std::int64_t k, std::int64_t parts, Key* keys,
                         cudaStream_t stream);

// The answers of the queries that the list `queries` [1 + q] names; `keys` [most_lists(q), k].
cudaError_t hamming_scan_again(const HammingProblem& problem, std::int64_t k, const int* queries, Key* keys,
                               std::int32_t* distances, std::int64_t* ids, cudaStream_t stream);

// keys [q, n]: all of them; kLastKey where an item is not allowed.
cudaError_t hamming_keys(const HammingProblem& problem, Key* keys, cudaStream_t stream);

}  // namespace rsir::cuda
