// A search of all rows for themselves, in which each product of two rows is taken once.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/decision.h"
#include "kernels/cpu/searched_blocks.h"
#include "kernels/euclidean_topk.h"

namespace rsir {

// How many rows are searched at a time. All n: each with all. Fewer, a super-block: with each other, then with `beside`
// rows after the other of those that follow. 0: the ordinary way, each row for itself, is sooner done.
struct SelfPlan {
    std::int64_t own, beside;
};

// Searches all at once, or by super-blocks, where the queries are all rows of the one block, the same memory, none of
// them left out, and products taken once are sooner done: rows are long, and as many as are live at once begin within
// three quarters of the memory, with 8 bytes for candidate_room(k) and one code a column each.
SelfPlan plan_self_search(const Rows& queries, std::int64_t q, const SearchedBlocks& blocks, std::int64_t k,
                          const Certify& certify, std::int64_t memory);

// As certified_topk, with the sizes of `plan`, multiples of SelfScan::kUnit or all rows. What is found of a row beside
// one super-block stands in its answer until the next: the k-th distance there bounds what comes, so that few rows are
// measured beside the second, and fewer beside each after it.
Status self_search(Decision::Operands operands, const SelfPlan& plan, std::int64_t memory, float* distances,
                   std::int64_t* ids, std::vector<std::int64_t>& undecided, SearchCounts& counts);

}  // namespace rsir
