// The certify pass of a search of all rows for themselves: each product of two rows is taken once and tested twice, as
// each side has a bound of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/context.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/searched_blocks.h"

namespace rsir {

// Whether the queries are all rows of the one block, the same memory, none of them left out, and their products taken
// once are sooner done: rows are long, and all searches at once, 8 bytes for candidate_room(k) and one code a column
// each, begin within 256 MiB.
bool is_self_search(const Rows& queries, std::int64_t q, const SearchedBlocks& blocks, std::int64_t k,
                    const Certify& certify);

// searches [n], tightened: the candidates of every row; or none, if so many pass that they would take more than that.
// No bound depends on when a pair of blocks is scanned in a way that an answer could show.
Status scan_self(const Rows& rows, const SearchedBlock& block, std::int64_t k, const Certify& certify,
                 const Context& context, std::vector<CandidateSearch>& searches);

}  // namespace rsir
