// Exact k nearest rows through a sidecar: certify with int8 codes, decide with the canonical distance.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/context.h"
#include "kernels/cpu/allowed_rows.h"
#include "kernels/euclidean_topk.h"
#include "kernels/sidecar.h"

namespace rsir {

// queries: q rows of width d = sidecar.d; database: the rows that the sidecar was made from; `rows` of them can be
// answers. 1 <= k <= rows.count().
// distances [q, k] and ids [q, k] as in euclidean_topk.h. Queries that are not decided here (too many candidates, or
// elements that are not finite or too large for the bounds) are appended to `undecided`, in increasing order; their
// rows of the outputs are not written.
// Memory: while they are scanned, 8 MiB of candidates a thread, or the candidate_room(k) of eight queries; then those
// left of up to 1024 queries, 8 bytes each, at most min(n / 2, 2^16) + 4 k a query
// (n: allowed rows); and 12 bytes for each that is
// measured, 96 MiB or one query at a time.
// bounds [q]: where not null, numbers that the k-th canonical distance is known not to exceed: rows beyond them may be
// left out, and slots that then remain hold +inf and -1.
Status certified_topk(const Rows& queries, std::int64_t q, const Rows& database, const AllowedRows& rows,
                      const Sidecar& sidecar, std::int64_t k, float* distances, std::int64_t* ids,
                      std::vector<std::int64_t>& undecided, SearchCounts& counts, const Context& context,
                      const float* bounds = nullptr);

}  // namespace rsir
