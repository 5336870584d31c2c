// Hamming search of many queries on the tensor cores: the answer of hamming_scan and select_smallest, sooner.
//
// Phases, each longer than all before: a pass over some of the database appends the keys that are below a query's
// limit, then the k smallest of its keys are kept, and the largest of them is the new limit. The order of visits
// (walk.h) makes what was seen a sample, so that few keys are appended. A query that gets more than there is room for
// is searched by hamming_scan instead.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/hamming_topk.h"

namespace rsir::cuda {

constexpr int kMostManyWords = 16;  // of a code: beyond, two tiles of the database do not fit into shared memory

// Whether the current device has the instructions, and this build the kernel.
cudaError_t hamming_many_runs(bool* runs);

std::size_t hamming_many_bytes(std::int64_t q, std::int64_t n, std::int64_t k);

// 1 <= k <= kMostSelected, problem.words <= kMostManyWords; `workspace` holds hamming_many_bytes and begins afterwards
// with int [2, q]: the keys that were appended and did not stay, and 1 where they were too many. distances [q, k], ids
// [q, k] as select_smallest writes them; slots beyond n hold INT32_MAX and -1.
cudaError_t hamming_many(const HammingProblem& problem, std::int64_t k, void* workspace, std::int32_t* distances,
                         std::int64_t* ids, cudaStream_t stream);

}  // namespace rsir::cuda
