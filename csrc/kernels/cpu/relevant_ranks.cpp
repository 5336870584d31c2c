#include "kernels/relevant_ranks.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/dense_scan.h"
#include "kernels/cpu/distance_bits.h"
#include "kernels/cpu/key_ranks.h"

namespace rsir {
namespace {

constexpr std::int64_t kBlockDistances = std::int64_t{1} << 22;  // 16 MiB a thread

// The rank of one key among all of a query.
std::int64_t rank_of(Key mark, const std::uint32_t* distances, std::int64_t n) {
    std::int64_t rank = 1;
    for (std::int64_t id = 0; id < n; ++id) rank += make_key(distances[id], id) < mark;
    return rank;
}

}  // namespace

template <class T>
Status relevant_ranks(const T* queries, std::int64_t q, const T* database, std::int64_t n, std::int64_t d,
                      const std::int64_t* members, const std::int64_t* first, const std::int64_t* offsets,
                      const std::int64_t* self, std::int64_t* ranks, std::int64_t* self_ranks, const Context& context) {
    const CanonicalDistance& distance = canonical_distance(context.isa);
    context.report(distance.isa);
    if (q == 0 || n == 0) return Status::ok;
    const std::int64_t threads = std::max(1, context.threads);
    std::int64_t block = std::max<std::int64_t>(kBlockDistances / n, 2 * distance.queries);
    block = std::min({block, dense_query_block(distance, d), (q + threads - 1) / threads});

    return parallel_for(context, (q + block - 1) / block, [&](std::int64_t task, Poll& poll) {
        const std::int64_t start = task * block, count = std::min(block, q - start);
        std::vector<std::uint32_t> distances(static_cast<std::size_t>(count * n));
        const DenseScan dense(distance, rows_of(queries, d), nullptr, start, count);
        dense.run(rows_of(database, d), 0, n, poll, [&](std::int64_t j, std::int64_t row, double squared) {
            distances[static_cast<std::size_t>(j * n + row)] = distance_bits(squared);
        });
        std::vector<Key> marks;
        for (std::int64_t j = 0; j < count && !poll.stop(); ++j) {
            const std::int64_t query = start + j;
            const std::uint32_t* own = distances.data() + j * n;
            const std::int64_t* relevant = members + first[query];
            marks.clear();
            for (std::int64_t i = 0; i < offsets[query + 1] - offsets[query]; ++i) {
                marks.push_back(make_key(own[relevant[i]], relevant[i]));
            }
            sort_keys(marks);
            KeyRanks places(marks);
            for (std::int64_t id = 0; id < n; ++id) places.add(own[id], id);
            std::int64_t* out = ranks + offsets[query];
            places.take(out);
            if (self == nullptr) continue;
            const Key mark = make_key(own[self[query]], self[query]);
            const auto found = std::lower_bound(marks.begin(), marks.end(), mark);
            const bool is_relevant = found != marks.end() && *found == mark;
            self_ranks[query] = is_relevant ? out[found - marks.begin()] : rank_of(mark, own, n);
        }
    });
}

template Status relevant_ranks(const float*, std::int64_t, const float*, std::int64_t, std::int64_t,
                               const std::int64_t*, const std::int64_t*, const std::int64_t*, const std::int64_t*,
                               std::int64_t*, std::int64_t*, const Context&);
template Status relevant_ranks(const double*, std::int64_t, const double*, std::int64_t, std::int64_t,
                               const std::int64_t*, const std::int64_t*, const std::int64_t*, const std::int64_t*,
                               std::int64_t*, std::int64_t*, const Context&);

}  // namespace rsir
