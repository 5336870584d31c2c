#include "kernels/euclidean_topk.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/certified_topk.h"
#include "kernels/cpu/dense_topk.h"

namespace rsir {
namespace {

Status search(const Rows& queries, std::int64_t q, const SearchedBlocks& blocks, std::int64_t k, float* distances,
              std::int64_t* ids, SearchCounts& counts, const Context& context, std::int64_t memory) {
    const bool has_sidecar =
        std::any_of(blocks.begin(), blocks.end(), [](const SearchedBlock& block) { return block.sidecar != nullptr; });
    if (!has_sidecar || k == 0 || k > blocks.allowed()) {
        counts.dense = q;
        return dense_topk(queries, nullptr, q, blocks, k, distances, ids, context);
    }
    std::vector<std::int64_t> undecided;
    const Status status = certified_topk(queries, q, blocks, k, distances, ids, undecided, counts, context, memory);
    if (status != Status::ok || undecided.empty()) return status;
    return dense_topk(queries, undecided.data(), static_cast<std::int64_t>(undecided.size()), blocks, k, distances, ids,
                      context);
}

}  // namespace

Status euclidean_topk(const Rows& queries, std::int64_t q, const Rows& database, const Allowed& allowed,
                      const Sidecar* sidecar, std::int64_t k, float* distances, std::int64_t* ids, SearchCounts& counts,
                      const Context& context, std::int64_t memory) {
    const SearchedBlock block{database, AllowedRows(allowed), sidecar, 0};
    return search(queries, q, {&block, 1}, k, distances, ids, counts, context, memory);
}

Status euclidean_topk(const Rows& queries, std::int64_t q, const RowBlock* blocks, std::int64_t count,
                      const Allowed& allowed, std::int64_t k, float* distances, std::int64_t* ids, SearchCounts& counts,
                      const Context& context) {
    context.report(canonical_distance(context.isa).isa);
    std::vector<SearchedBlock> searched;
    std::int64_t first = 0;
    for (const RowBlock* block = blocks; block != blocks + count; first += block++->n) {
        const AllowedRows rows(allowed.part(first, block->n));
        if (rows.count() > 0) searched.push_back({block->rows, rows, block->sidecar, first});
    }
    return search(queries, q, {searched.data(), static_cast<std::int64_t>(searched.size())}, k, distances, ids, counts,
                  context, kOwnRowsMemory);
}

}  // namespace rsir
