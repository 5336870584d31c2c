// Hamming search where a large part of the database is wanted: all distances, then a counting sort.
#pragma once

#include <cstdint>

#include "kernels/cpu/hamming_topk_allowed.h"

namespace rsir {

constexpr std::int64_t kRankFraction = 4;  // from k = m / 4 on, m codes allowed, this is the faster way

// As hamming_topk, of the m allowed codes. O(q (n + k)) time; 2n bytes for every query in flight, 64 MiB in all or one
// query; and 4m where m < n.
Status rank_codes(const std::uint8_t* queries, std::int64_t q, const PlaneSource& source, const Allowed& allowed,
                  std::int64_t m, std::int64_t k, std::int32_t* distances, std::int64_t* ids, const Context& context);

}  // namespace rsir
