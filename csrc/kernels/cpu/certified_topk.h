// Exact k nearest rows through a sidecar: certify with int8 codes, decide with the canonical distance.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/context.h"
#include "kernels/cpu/searched_blocks.h"
#include "kernels/euclidean_topk.h"

namespace rsir {

// queries: q rows of width d; the allowed rows of the blocks, each of width d, can be answers. Where a block has no
// sidecar, all its allowed rows are decided: it should be small. 1 <= k <= blocks.allowed().
// distances [q, k] and ids [q, k] as in euclidean_topk.h. Queries that are not decided here (too many candidates, or
// elements that are not finite or too large for the bounds) are appended to `undecided`, in increasing order; their
// rows of the outputs are not written.
// Memory: while they are scanned, 8 MiB of candidates a thread, or the candidate_room(k) of eight queries; then those
// left of up to 1024 queries, 8 bytes each, at most min(n / 2, 2^16) + 4 k a query (n: allowed rows) beside those of
// parts that are being searched, and of several parts 4 k more; and 12 bytes for each that is measured, 96 MiB or one
// query at a time. Queries that are the rows themselves: `memory`, as in euclidean_topk.h, in place of the first.
Status certified_topk(const Rows& queries, std::int64_t q, const SearchedBlocks& blocks, std::int64_t k,
                      float* distances, std::int64_t* ids, std::vector<std::int64_t>& undecided, SearchCounts& counts,
                      const Context& context, std::int64_t memory = kOwnRowsMemory);

}  // namespace rsir
