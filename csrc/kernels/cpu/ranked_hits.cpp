#include "kernels/ranked_hits.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kLists = 64;  // of a task

// Calls body(list, first, end) with the ranks of each list.
template <class Body>
Status each_list(const RankedHits& hits, const Context& context, const Body& body) {
    return parallel_for(context, (hits.q + kLists - 1) / kLists, [&](std::int64_t task, Poll&) {
        for (std::int64_t j = task * kLists; j < std::min(hits.q, (task + 1) * kLists); ++j) {
            body(j, hits.ranks + hits.offsets[j], hits.ranks + hits.offsets[j + 1]);
        }
    });
}

}  // namespace

std::int64_t first_disorder(const RankedHits& hits) {
    for (std::int64_t j = 0; j < hits.q; ++j) {
        std::int64_t before = 0;
        for (std::int64_t i = hits.offsets[j]; i < hits.offsets[j + 1]; before = hits.ranks[i++]) {
            if (hits.ranks[i] <= before) return i;
        }
    }
    return -1;
}

Status sum_precisions(const RankedHits& hits, std::int64_t most, double* sums, const Context& context) {
    return each_list(hits, context, [&](std::int64_t j, const std::int64_t* first, const std::int64_t* end) {
        double sum = 0, ordinal = 0;
        for (; first != end && *first <= most; ++first) sum += ++ordinal / static_cast<double>(*first);
        sums[j] = sum;
    });
}

Status sum_within(const RankedHits& hits, const std::int64_t* limits, std::int64_t* found, std::int64_t* sums,
                  const Context& context) {
    return each_list(hits, context, [&](std::int64_t j, const std::int64_t* first, const std::int64_t* end) {
        end = std::upper_bound(first, end, limits[j]);
        found[j] = end - first;
        std::uint64_t sum = 0;
        for (; first != end; ++first) sum += static_cast<std::uint64_t>(*first);
        sums[j] = static_cast<std::int64_t>(sum);
    });
}

Status count_within(const RankedHits& hits, const std::int64_t* cutoffs, std::int64_t p, std::int64_t* counts,
                    const Context& context) {
    return each_list(hits, context, [&](std::int64_t j, const std::int64_t* first, const std::int64_t* end) {
        const std::int64_t* rank = first;
        for (std::int64_t i = 0; i < p; ++i) {
            while (rank != end && *rank <= cutoffs[i]) ++rank;
            counts[j * p + i] = rank - first;
        }
    });
}

void drop_own(const RankedHits& hits, const std::int64_t* own, std::int64_t* counts, std::int64_t* ranks) {
    for (std::int64_t j = 0; j < hits.q; ++j) {
        const std::int64_t *first = hits.ranks + hits.offsets[j], *end = hits.ranks + hits.offsets[j + 1];
        const std::int64_t* place = own[j] == 0 ? end : std::lower_bound(first, end, own[j]);
        const std::int64_t* behind = place != end && *place == own[j] ? place + 1 : place;
        counts[j] = end - first - (behind - place);
        ranks = std::copy(first, place, ranks);
        ranks = std::transform(behind, end, ranks, [](std::int64_t rank) { return rank - 1; });
    }
}

}  // namespace rsir
