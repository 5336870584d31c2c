#include "kernels/cpu/decision.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/cpu/distance_bits.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

// Where a row is wanted by so many queries of the block, all of them take it while it is in the cache.
constexpr std::int64_t kSharedBy = 3;
constexpr std::int64_t kChunkBytes = std::int64_t{1} << 20;

}  // namespace

Decision::Decision(const Rows& queries, std::int64_t first, std::vector<CandidateSearch*> searches,
                   const Rows& database, const Sidecar& sidecar, std::int64_t k, const Certify& certify,
                   const CanonicalDistance& canonical)
    : queries_(queries),
      first_(first),
      database_(database),
      sidecar_(sidecar),
      k_(k),
      certify_(certify),
      canonical_(canonical),
      block_(searches.size()) {
    for (std::size_t j = 0; j < searches.size(); ++j) block_[j].search = searches[j];
}

// Turns the rows of every query into keys.
void Decision::measure(Poll& poll) {
    std::int64_t pairs = 0;
    for (const Query& query : block_) pairs += static_cast<std::int64_t>(query.rows.size());
    measured_ += pairs;
    const bool shared = pairs >= kSharedBy * sidecar_.n;
    const std::int64_t chunk = shared ? std::max<std::int64_t>(1, kChunkBytes / database_.row_bytes()) : sidecar_.n;
    const auto size = static_cast<std::size_t>(padded(queries_.d));
    std::vector<double> wide(shared ? size * block_.size() : size), squared;
    std::vector<std::size_t> next(block_.size());
    for (std::int64_t begin = 0; begin < sidecar_.n; begin += chunk) {
        for (std::size_t j = 0; j < block_.size(); ++j) {
            if (poll.stop()) return;
            Query& query = block_[j];
            const std::size_t from = next[j];
            std::size_t to = query.rows.size();
            if (shared) {
                for (to = from; to < query.rows.size() && query.rows[to] < begin + chunk;) ++to;
                next[j] = to;
            }
            if (from == to) continue;
            double* vector = wide.data() + (shared ? size * j : 0);
            if (from == 0) widen_row(queries_, first_ + static_cast<std::int64_t>(j), vector);
            squared.resize(to - from);
            canonical_.gather(vector, database_, query.rows.data() + from, static_cast<std::int64_t>(to - from),
                              squared.data());
            for (std::size_t i = from; i < to; ++i) {
                query.keys.push_back(make_key(distance_bits(squared[i - from]), query.rows[i]));
            }
        }
    }
    for (Query& query : block_) query.rows.clear();
}

// Cuts the keys to the k smallest and lowers the bound to the last of them.
void Decision::keep_nearest(Query& query) const {
    if (static_cast<std::int64_t>(query.keys.size()) < k_) return;
    const auto kth = query.keys.begin() + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(query.keys.begin(), kth, query.keys.end());
    query.keys.resize(static_cast<std::size_t>(k_));
    const float distance = distance_from_bits(key_distance(query.keys.back()));
    if (std::isfinite(distance)) query.search->lower(static_cast<double>(distance));
}

void Decision::store(Query& query, float* distances, std::int64_t* ids) const {
    std::sort(query.keys.begin(), query.keys.end());
    std::transform(query.keys.begin(), query.keys.end(), distances,
                   [](Key key) { return distance_from_bits(key_distance(key)); });
    std::transform(query.keys.begin(), query.keys.end(), ids, key_id);
}

std::int64_t Decision::run(float* distances, std::int64_t* ids, Poll& poll) {
    for (Query& query : block_) {
        if (query.search->overflowed()) continue;
        const Candidates& state = query.search->state();
        query.nearest = state.count > k_ ? certify_.select(state.estimates, state.count, k_)
                                         : std::numeric_limits<float>::infinity();
        query.rows.reserve(sidecar_.wild.size() + static_cast<std::size_t>(k_ + k_ / 8 + 8));
        for (std::int32_t i = 0; i < state.count; ++i) {
            if (state.estimates[i] <= query.nearest) query.rows.push_back(state.ids[i]);
        }
        if (sidecar_.wild.empty()) continue;
        query.rows.insert(query.rows.end(), sidecar_.wild.begin(), sidecar_.wild.end());
        std::sort(query.rows.begin(), query.rows.end());
    }
    measure(poll);
    for (Query& query : block_) {
        if (query.search->overflowed()) continue;
        keep_nearest(query);
        const Candidates& state = query.search->state();
        for (std::int32_t i = 0; i < state.count; ++i) {
            if (!(state.estimates[i] <= query.nearest) && query.search->passes(i)) query.rows.push_back(state.ids[i]);
        }
    }
    measure(poll);
    if (poll.stop()) return measured_;
    for (std::size_t j = 0; j < block_.size(); ++j) {
        Query& query = block_[j];
        if (query.search->overflowed()) continue;
        keep_nearest(query);
        const std::int64_t place = (first_ + static_cast<std::int64_t>(j)) * k_;
        store(query, distances + place, ids + place);
    }
    return measured_;
}

}  // namespace rsir
