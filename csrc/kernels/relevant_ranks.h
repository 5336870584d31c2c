// The ranks of the relevant items in exact full rankings, without the rankings.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/allowed.h"
#include "kernels/context.h"
#include "kernels/rows.h"

namespace rsir {

class RankMarks;

// queries [q, d]; database: the rows of all parts, one after the other, of the same d, n = allowed.n < 2^32 of them.
// Only allowed rows are ranked. The relevant items of query j are count = offsets[j + 1] - offsets[j] different allowed
// rows of the database, in increasing order from members[first[j]] on. offsets[0] = 0. Where self is not null, row
// self[j] is ranked for query j as well, unless it is -1. Where queries are rows of a part, the same memory, and all
// rows are allowed, each pair of them is measured once for both. members, first, offsets and self are kept by address
// in what is found. Memory: 12 bytes a rank, up to 4 KiB a query, 8 bytes a row, and for each thread 4 MiB of distances
// and 8 MiB of rows.
Status relevant_ranks(const Rows& queries, std::int64_t q, const RowPart* database, std::int64_t parts,
                      const Allowed& allowed, const std::int64_t* members, const std::int64_t* first,
                      const std::int64_t* offsets, const std::int64_t* self, std::shared_ptr<RankMarks>& found,
                      const Context& context);

// ranks [offsets[end] - offsets[begin]] receives, for each of the queries begin to end, the ranks of its relevant
// items, counted from 1, in increasing order: their places when all allowed rows are ordered by (canonical distance,
// id) as in euclidean_topk. self_ranks [end - begin], unless self was null: the rank of row self[j], or 0 where that is
// -1.
Status take_ranks(const RankMarks& found, std::int64_t begin, std::int64_t end, std::int64_t* ranks,
                  std::int64_t* self_ranks, const Context& context);

}  // namespace rsir
