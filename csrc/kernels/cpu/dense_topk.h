// The exact k nearest rows of chosen queries by the dense canonical pass alone.
#pragma once

#include <cstdint>

#include "kernels/context.h"
#include "kernels/cpu/searched_blocks.h"

namespace rsir {

// queries and blocks of the same d, stored in any types; their allowed rows can be answers. `ids` [q] names the rows of
// `queries` to search for, the answer of ids[j] going to row ids[j] of distances and ids_out [.., k]; null means 0,
// ..., q - 1. The answers are those of euclidean_topk. Memory: O(threads * block * k) keys and some 5 MiB a thread of
// widened rows.
Status dense_topk(const Rows& queries, const std::int64_t* ids, std::int64_t q, const SearchedBlocks& blocks,
                  std::int64_t k, float* distances, std::int64_t* ids_out, const Context& context);

}  // namespace rsir
