#include "kernels/euclidean_topk.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

#include "kernels/cpu/certified_topk.h"
#include "kernels/cpu/dense_topk.h"
#include "kernels/cpu/distance_bits.h"
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
    Nearest nearest(q, k);
    std::vector<float> found;
    std::vector<std::int64_t> found_ids;
    for (std::int64_t i = 0, first = 0; i < count; first += blocks[i++].n) {
        const AllowedRows rows(allowed.part(first, blocks[i].n));
        const std::int64_t depth = std::min(k, rows.count());
        if (depth == 0) continue;
        found.resize(static_cast<std::size_t>(q * depth));
        found_ids.resize(found.size());
        SearchCounts here;
        const Status status = search_block(queries, q, blocks[i], rows, depth, nearest.bounds(), found.data(),
                                           found_ids.data(), here, context);
        if (status != Status::ok) return status;
        nearest.add(found, found_ids, depth, first);
        counts.candidates += here.candidates;
        counts.decided += here.decided;
        counts.dense = std::max(counts.dense, here.dense);
    }
    nearest.store(distances, ids);
    return Status::ok;
}

}  // namespace rsir
