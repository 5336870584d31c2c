// count_ranks (relevant_ranks.h) of many pairs, of which few are measured: all distances come from the digits of the
// rows (digits.h), strip by strip of the queries. A pair whose interval holds no mark of its query is counted at once.
// One whose interval does is either that mark itself, or is left open: it is measured canonically.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/digits.h"
#include "kernels/cuda/relevant_ranks.h"

namespace rsir::cuda {

constexpr std::int64_t kMostPlacedMarks = 1024;     // of a query
constexpr std::int64_t kMostPlacedItems = 1 << 21;  // of which the distances to a tile of queries are written at once

// How much is done at a time.
struct PlaceSizes {
    std::int64_t strip;  // queries, a multiple of kDigitTile
    std::int64_t open;   // room for pairs of a strip that are left open, a multiple of kOpenGroup

    static PlaceSizes of(std::int64_t q, std::int64_t n);
};
constexpr std::int64_t kOpenGroup = 8;  // pairs of one query

// Whether the current device has the instructions, and this build code for them.
cudaError_t place_runs(bool* runs);

// What is made once of a database; n and d within the limits.
std::size_t placed_items_bytes(std::int64_t n, std::int64_t d);
cudaError_t make_placed_items(const EuclideanProblem& problem, void* items, cudaStream_t stream);

// What place_ranks begins its workspace with.
struct PlaceState {
    std::int64_t stopped;  // not 0: more pairs were left open than there was room for, and there are no ranks
    std::int64_t open;     // pairs that were measured, and what filled their groups up
};
std::size_t place_bytes(std::int64_t q, std::int64_t n, std::int64_t d, const PlaceSizes& sizes);
cudaError_t place_ranks(const EuclideanProblem& problem, const Marks& marks, const void* items, const PlaceSizes& sizes,
                        void* workspace, std::uint32_t* counts, std::int64_t* ranks, std::int64_t* self_ranks,
                        cudaStream_t stream);

}  // namespace rsir::cuda
