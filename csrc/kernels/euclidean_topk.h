// Exact k nearest database rows by squared Euclidean distance.
#pragma once

#include <cstdint>

#include "kernels/allowed.h"
#include "kernels/context.h"
#include "kernels/rows.h"
#include "kernels/sidecar.h"

namespace rsir {

// What a search did, for its report.
struct SearchCounts {
    std::int64_t candidates = 0;  // (query, row) pairs that the sidecar's bounds left
    std::int64_t decided = 0;     // canonical distances computed for them
    std::int64_t dense = 0;       // queries answered by the dense pass
};

// queries [q, d], database [n, d] of the same d; n = allowed.n < 2^32. Only allowed rows are answers: distances and ids
// are those of a search of these rows alone, but for the ids, which are rows of the whole database.
// distances [q, k] float and ids [q, k] int64, ordered by (distance, id).
//
// Canonical distance: the sum of (q_i - x_i)^2 in float64, without fused multiply-add, in the lane order of
// kernels/cpu/lanes.h, rounded once to float. NaN distances are stored as the one quiet NaN 0x7fc00000 and rank after
// infinity. Slots beyond the allowed rows
// hold distance +inf and id -1.
//
// sidecar: made from the same database, or null. It decides how fast the answer comes, never what it is.
//
// memory: for the candidates and codes of rows that are queries at once, where the queries are the database: at least
// least_own_memory(k). Beyond it, super-blocks of rows are searched one after the other.
constexpr std::int64_t kOwnRowsMemory = std::int64_t{1} << 28;
std::int64_t least_own_memory(std::int64_t k);

Status euclidean_topk(const Rows& queries, std::int64_t q, const Rows& database, const Allowed& allowed,
                      const Sidecar* sidecar, std::int64_t k, float* distances, std::int64_t* ids, SearchCounts& counts,
                      const Context& context, std::int64_t memory = kOwnRowsMemory);

// One block of a database whose rows lie in several places, and its sidecar. Null: all its rows are decided, which is
// soonest for less than a panel of them; without any sidecar, all rows of all blocks are.
struct RowBlock {
    Rows rows;
    std::int64_t n;
    const Sidecar* sidecar;
};

// The same of the rows of all blocks, one after the other, of one d: ids and bits of `allowed` go on from block to
// block. All blocks are one pool of tasks: what is proven of one bounds the others.
Status euclidean_topk(const Rows& queries, std::int64_t q, const RowBlock* blocks, std::int64_t count,
                      const Allowed& allowed, std::int64_t k, float* distances, std::int64_t* ids, SearchCounts& counts,
                      const Context& context);

}  // namespace rsir
