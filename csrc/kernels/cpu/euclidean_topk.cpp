#include "kernels/euclidean_topk.h"

#include <vector>

#include "kernels/cpu/certified_topk.h"
#include "kernels/cpu/dense_topk.h"

namespace rsir {

Status euclidean_topk(const Rows& queries, std::int64_t q, const Rows& database, const Allowed& allowed,
                      const Sidecar* sidecar, std::int64_t k, float* distances, std::int64_t* ids, SearchCounts& counts,
                      const Context& context) {
    const AllowedRows rows(allowed);
    if (sidecar == nullptr || k == 0 || k > rows.count()) {
        counts.dense = q;
        return dense_topk(queries, nullptr, q, database, rows, k, distances, ids, context);
    }
    std::vector<std::int64_t> undecided;
    const Status status =
        certified_topk(queries, q, database, rows, *sidecar, k, distances, ids, undecided, counts, context);
    if (status != Status::ok || undecided.empty()) return status;
    return dense_topk(queries, undecided.data(), static_cast<std::int64_t>(undecided.size()), database, rows, k,
                      distances, ids, context);
}

}  // namespace rsir
