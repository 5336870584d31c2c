#include "kernels/euclidean_topk.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

#include "kernels/cpu/certified_topk.h"
#include "kernels/cpu/dense_topk.h"
#include "kernels/cpu/distance_bits.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/topk.h"

namespace rsir {
namespace {

// The nearest so far of every query.
class Nearest {
  public:
    Nearest(std::int64_t q, std::int64_t k)
        : k_(k), keys_(static_cast<std::size_t>(q)), bounds_(keys_.size(), std::numeric_limits<float>::infinity()) {}

    // [q], the k-th distances so far; infinite where there are not so many.
    const float* bounds() const { return bounds_.data(); }

    // Takes in the answers [q, depth] of a block whose first row is `first`.
    void add(const std::vector<float>& distances, const std::vector<std::int64_t>& ids, std::int64_t depth,
             std::int64_t first) {
        std::vector<Key> more, both;
        for (std::size_t j = 0; j < keys_.size(); ++j) {
            more.clear();
            both.clear();
            for (std::int64_t i = 0; i < depth; ++i) {
                const std::size_t place = j * static_cast<std::size_t>(depth) + static_cast<std::size_t>(i);
                if (ids[place] < 0) break;
                more.push_back(make_key(distance_bits(static_cast<double>(distances[place])), first + ids[place]));
            }
            std::merge(keys_[j].begin(), keys_[j].end(), more.begin(), more.end(), std::back_inserter(both));
            if (static_cast<std::int64_t>(both.size()) > k_) both.resize(static_cast<std::size_t>(k_));
            keys_[j].swap(both);
            if (static_cast<std::int64_t>(keys_[j].size()) == k_) {
                bounds_[j] = distance_from_bits(key_distance(keys_[j].back()));
            }
        }
    }

    void store(float* distances, std::int64_t* ids) const {
        for (std::size_t j = 0; j < keys_.size(); ++j, distances += k_, ids += k_) {
            std::fill_n(distances, k_, std::numeric_limits<float>::infinity());
            std::fill_n(ids, k_, std::int64_t{-1});
            std::transform(keys_[j].begin(), keys_[j].end(), distances,
                           [](Key key) { return distance_from_bits(key_distance(key)); });
            std::transform(keys_[j].begin(), keys_[j].end(), ids, key_id);
        }
    }

  private:
    std::int64_t k_;
    std::vector<std::vector<Key>> keys_;
    std::vector<float> bounds_;
};

// bounds: as certified_topk takes them.
Status search_block(const Rows& queries, std::int64_t q, const RowBlock& block, const AllowedRows& rows, std::int64_t k,
                    const float* bounds, float* distances, std::int64_t* ids, SearchCounts& counts,
                    const Context& context) {
    if (block.sidecar == nullptr || k == 0 || k > rows.count()) {
        counts.dense = q;
        return dense_topk(queries, nullptr, q, block.rows, rows, k, distances, ids, context);
    }
    std::vector<std::int64_t> undecided;
    const Status status = certified_topk(queries, q, block.rows, rows, *block.sidecar, k, distances, ids, undecided,
                                         counts, context, bounds);
    if (status != Status::ok || undecided.empty()) return status;
    return dense_topk(queries, undecided.data(), static_cast<std::int64_t>(undecided.size()), block.rows, rows, k,
                      distances, ids, context);
}

constexpr std::int64_t kSmallBlock = std::int64_t{1} << 22;  // elements: below, one thread scans it
constexpr std::int64_t kBatch = 4;                           // blocks a thread between two bounds

// The search of one block, and what it found.
struct BlockSearch {
    BlockSearch(const RowBlock& of, const Allowed& allowed, std::int64_t begin, std::int64_t k)
        : block(of), rows(allowed.part(begin, of.n)), first(begin), depth(std::min(k, rows.count())) {}

    RowBlock block;
    AllowedRows rows;
    std::int64_t first, depth;
    std::vector<float> distances{};
    std::vector<std::int64_t> ids{};
    SearchCounts counts{};
};

bool is_small(std::int64_t q, const BlockSearch& search) {
    return q * search.block.n * search.block.rows.d < kSmallBlock;
}

Status run_batch(const Rows& queries, std::int64_t q, std::vector<BlockSearch>& batch, const float* bounds,
                 const Context& context) {
    const auto run = [&](BlockSearch& search, const Context& with) {
        if (search.depth == 0) return Status::ok;
        search.distances.resize(static_cast<std::size_t>(q * search.depth));
        search.ids.resize(search.distances.size());
        return search_block(queries, q, search.block, search.rows, search.depth, bounds, search.distances.data(),
                            search.ids.data(), search.counts, with);
    };
    if (batch.size() == 1) return run(batch.front(), context);
    // Polled by this call's own thread, between blocks.
    const Context alone{1, context.isa};
    return parallel_for(context, static_cast<std::int64_t>(batch.size()), [&](std::int64_t i, Poll& poll) {
        if (!poll.stop()) run(batch[static_cast<std::size_t>(i)], alone);
    });
}

}  // namespace

Status euclidean_topk(const Rows& queries, std::int64_t q, const Rows& database, const Allowed& allowed,
                      const Sidecar* sidecar, std::int64_t k, float* distances, std::int64_t* ids, SearchCounts& counts,
                      const Context& context) {
    const RowBlock block{database, allowed.n, sidecar};
    return search_block(queries, q, block, AllowedRows(allowed), k, nullptr, distances, ids, counts, context);
}

Status euclidean_topk(const Rows& queries, std::int64_t q, const RowBlock* blocks, std::int64_t count,
                      const Allowed& allowed, std::int64_t k, float* distances, std::int64_t* ids, SearchCounts& counts,
                      const Context& context) {
    context.report(canonical_distance(context.isa).isa);
    Nearest nearest(q, k);
    std::int64_t first = 0;
    for (std::int64_t i = 0; i < count;) {
        // Blocks too small for several threads, as many as keep all busy, or one other.
        std::vector<BlockSearch> batch;
        do {
            batch.emplace_back(blocks[i], allowed, first, k);
            first += blocks[i++].n;
        } while (i < count && is_small(q, batch.back()) && is_small(q, {blocks[i], allowed, first, k}) &&
                 static_cast<std::int64_t>(batch.size()) < kBatch * context.threads);
        const Status status = run_batch(queries, q, batch, nearest.bounds(), context);
        if (status != Status::ok) return status;
        for (const BlockSearch& search : batch) {
            if (search.depth == 0) continue;
            nearest.add(search.distances, search.ids, search.depth, search.first);
            counts.candidates += search.counts.candidates;
            counts.decided += search.counts.decided;
            counts.dense = std::max(counts.dense, search.counts.dense);
        }
    }
    nearest.store(distances, ids);
    return Status::ok;
}

}  // namespace rsir
