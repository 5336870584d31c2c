// What the metrics sum over ranked lists, which are given by the ranks of their relevant items.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace rsir {

// Of q lists: those of list j are ranks[offsets[j]], ..., ranks[offsets[j + 1] - 1], counted from 1 and increasing.
struct RankedHits {
    const std::int64_t* ranks;
    const std::int64_t* offsets;
    std::int64_t q;
};

// The first of all ranks that is not greater than the one before it in its list, or than 0 at the head of one; or -1.
std::int64_t first_disorder(const RankedHits& hits);

// sums [q]: i / rank of the i-th of each list, counted from 1, added in this order, where the rank is at most `most`.
Status sum_precisions(const RankedHits& hits, std::int64_t most, double* sums, const Context& context);

// Of the ranks of list j that are at most limits[j], how many, and their sum modulo 2^64: found [q], sums [q].
Status sum_within(const RankedHits& hits, const std::int64_t* limits, std::int64_t* found, std::int64_t* sums,
                  const Context& context);

// counts [q, p]: how many ranks of each list are at most each of the cutoffs [p], which are increasing.
Status count_within(const RankedHits& hits, const std::int64_t* cutoffs, std::int64_t p, std::int64_t* counts,
                    const Context& context);

// Takes rank own[j] out of list j, where it is in it; those behind it are one better, unless it is 0. counts [q], and
// ranks [their sum].
void drop_own(const RankedHits& hits, const std::int64_t* own, std::int64_t* counts, std::int64_t* ranks);

}  // namespace rsir
