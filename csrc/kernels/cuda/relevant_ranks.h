// relevant_ranks (kernels/relevant_ranks.h) on the device, in two steps on the caller's stream: the keys of the items
// whose ranks are wanted, the marks; then every other item's distance, compared with the marks of its query where it is
// computed. Nothing is written for an item but one count: no matrix of distances, and no sort of it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/euclidean_topk.h"

namespace rsir::cuda {

constexpr std::int64_t kMostSortedMarks = 2048;  // of a query, that a block sorts

// The marks of one query: members[first], ..., of which there are `members`; and its own item, if `marks` is one more.
struct MarkList {
    std::int64_t query, first, members, marks;
    std::int64_t to;  // where they begin among all marks
};

// Several queries' marks; all arrays on the device.
struct Marks {
    const MarkList* lists;            // [count], each of at least one mark, of different queries
    std::int64_t count, total, most;  // most: of the marks of a list
    const std::int64_t* members;      // items, all of them allowed
    const std::int64_t* own;          // [q]: each query's own item, or -1; null: none has one
    Key* keys;                        // [total]
};

// marks.keys, those of a list in increasing order if they are no more than kMostSortedMarks.
cudaError_t mark_keys(const EuclideanProblem& problem, const Marks& marks, cudaStream_t stream);

// ranks [total]: of the marks, in increasing order of each list as its keys must be; counted from 1, among all allowed
// items. self_ranks [q], where there is marks.own: the rank of an own item that is among the marks; others stay as they
// are. counts [total]: workspace.
cudaError_t count_ranks(const EuclideanProblem& problem, const Marks& marks, std::uint32_t* counts, std::int64_t* ranks,
                        std::int64_t* self_ranks, cudaStream_t stream);

// Its last step, ranks of counts: counts[i] of a list are the items whose keys are below its mark i, but not below the
// one before.
cudaError_t sum_counts(const Marks& marks, const std::uint32_t* counts, std::int64_t* ranks, std::int64_t* self_ranks,
                       cudaStream_t stream);

}  // namespace rsir::cuda
