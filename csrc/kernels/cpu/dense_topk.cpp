#include "kernels/cpu/dense_topk.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/cpu/dense_scan.h"
#include "kernels/cpu/distance_bits.h"
#include "kernels/cpu/topk.h"

namespace rsir {

Status dense_topk(const Rows& queries, const std::int64_t* ids, std::int64_t q, const SearchedBlocks& blocks,
                  std::int64_t k, float* distances, std::int64_t* ids_out, const Context& context) {
    const CanonicalDistance& distance = canonical_distance(context.isa);
    context.report(distance.isa);

    const auto scan = [&](std::int64_t query, std::int64_t first, std::int64_t last,
                          std::vector<KeySelector>& selectors, Poll& poll) {
        const DenseScan dense(distance, queries, ids, query, static_cast<std::int64_t>(selectors.size()));
        std::int64_t place = 0;  // of the block's first allowed row among all
        for (const SearchedBlock& block : blocks) {
            const std::int64_t begin = std::max<std::int64_t>(0, first - place);
            const std::int64_t end = std::min(last - place, block.allowed.count());
            place += block.allowed.count();
            if (begin >= end) continue;
            dense.run(
                block.rows, block.allowed, begin, end, context.isa, poll,
                [&](std::int64_t j, std::int64_t row, double squared) {
                    selectors[static_cast<std::size_t>(j)].push(make_key(distance_bits(squared), block.first + row));
                });
        }
    };
    const auto store = [&](std::int64_t query, const std::vector<Key>& keys) {
        const std::int64_t place = (ids == nullptr ? query : ids[query]) * k;
        float* out = distances + place;
        std::fill_n(out, k, std::numeric_limits<float>::infinity());
        std::fill_n(ids_out + place, k, std::int64_t{-1});
        std::transform(keys.begin(), keys.end(), out, [](Key key) { return distance_from_bits(key_distance(key)); });
        std::transform(keys.begin(), keys.end(), ids_out + place, key_id);
    };
    return search(q, blocks.allowed(), k, context, scan, store, dense_query_block(distance, queries.d));
}

}  // namespace rsir
