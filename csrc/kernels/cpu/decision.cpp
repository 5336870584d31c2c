#include "kernels/cpu/decision.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/cpu/distance_bits.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/row_reader.h"

namespace rsir {
namespace {

constexpr std::int64_t kChunkBytes = std::int64_t{1} << 24;  // of rows: stay in the L3 cache over all queries
constexpr std::int64_t kLeastVisit = 8;                      // rows of a chunk that a query is read for
constexpr std::int64_t kTasksPerThread = 4;
constexpr std::int64_t kCopies = 16;  // of rows that are normalised as they are read

}  // namespace

Decision::Decision(const Rows& queries, std::int64_t first, CandidateSearch* searches, std::int64_t count,
                   const Rows& database, const Sidecar& sidecar, const std::vector<std::uint32_t>& wild, std::int64_t k,
                   const Certify& certify, const CanonicalDistance& canonical, const Context& context)
    : queries_(queries),
      first_(first),
      database_(database),
      sidecar_(sidecar),
      wild_(wild),
      k_(k),
      certify_(certify),
      canonical_(canonical),
      context_(context),
      block_(static_cast<std::size_t>(count)) {
    for (std::int64_t j = 0; j < count; ++j) block_[static_cast<std::size_t>(j)].search = searches + j;
}

// Calls body(query, index) for every search that has not overflowed.
Status Decision::each_query(const std::function<void(Query&, std::int64_t)>& body) {
    const auto count = static_cast<std::int64_t>(block_.size());
    const std::int64_t tasks = std::min<std::int64_t>(count, kTasksPerThread * context_.threads);
    return parallel_for(context_, tasks, [&](std::int64_t task, Poll& poll) {
        for (std::int64_t j = count * task / tasks; j < count * (task + 1) / tasks && !poll.stop(); ++j) {
            Query& query = block_[static_cast<std::size_t>(j)];
            if (!query.search->overflowed()) body(query, j);
        }
    });
}

// Turns the rows of every query into keys.
Status Decision::measure(std::int64_t& decided) {
    const auto count = static_cast<std::int64_t>(block_.size());
    std::int64_t pairs = 0;
    for (Query& query : block_) {
        pairs += static_cast<std::int64_t>(query.rows.size());
        query.keys.resize(query.keys.size() + query.rows.size());
    }
    if (pairs == 0) return Status::ok;
    decided += pairs;
    // In chunks only where some rows are wanted more than once.
    const std::int64_t chunk = pairs < sidecar_.n ? sidecar_.n
                                                  : std::max(kChunkBytes / (database_.row_bytes() + 1) + 1,
                                                             kLeastVisit * sidecar_.n * count / pairs);
    const std::int64_t chunks = (sidecar_.n + chunk - 1) / chunk;
    // The threads take the same chunk at the same time: it has to fit into the cache that they share.
    const std::int64_t parts = std::min<std::int64_t>(count, (chunks > 1 ? 1 : kTasksPerThread) * context_.threads);
    const Status status = parallel_for(context_, chunks * parts, [&](std::int64_t task, Poll& poll) {
        const std::int64_t begin = task / parts * chunk, part = task % parts;
        const std::int64_t first = count * part / parts, last = count * (part + 1) / parts;
        // All rows of the task side by side, so that those of the next query are fetched meanwhile.
        std::vector<std::uint32_t> rows;
        std::vector<Key*> ends;  // of the keys of each query
        std::vector<std::size_t> stops;
        for (std::int64_t j = first; j < last; ++j) {
            Query& query = block_[static_cast<std::size_t>(j)];
            const auto end = query.rows.end();
            const auto from = chunks == 1 ? query.rows.begin() : std::lower_bound(query.rows.begin(), end, begin);
            const auto to = chunks == 1 ? end : std::lower_bound(from, end, begin + chunk);
            rows.insert(rows.end(), from, to);
            ends.push_back(query.keys.data() + query.keys.size() - (end - from));
            stops.push_back(rows.size());
        }
        std::vector<double> vector(static_cast<std::size_t>(padded(queries_.d))), squared;
        RowReader reader(database_, context_.isa, kCopies);
        std::size_t from = 0;
        for (std::int64_t j = first; j < last && !poll.stop(); ++j) {
            const std::size_t to = stops[static_cast<std::size_t>(j - first)];
            if (from == to) continue;
            squared.resize(to - from);
            canonical_.widen(queries_, first_ + j, vector.data());
            reader.gather(canonical_, vector.data(), rows.data() + from, static_cast<std::int64_t>(to - from),
                          static_cast<std::int64_t>(rows.size() - to), squared.data());
            Key* keys = ends[static_cast<std::size_t>(j - first)];
            for (std::size_t i = from; i < to; ++i) *keys++ = make_key(distance_bits(squared[i - from]), rows[i]);
            from = to;
        }
    });
    for (Query& query : block_) query.rows.clear();
    return status;
}

// Sends the k nearest estimates, and rows that have none, to be measured.
void Decision::take_nearest(Query& query) const {
    const Candidates& state = query.search->state();
    query.nearest =
        state.count > k_ ? certify_.select(state.estimates, state.count, k_) : std::numeric_limits<float>::infinity();
    query.rows.reserve(wild_.size() + static_cast<std::size_t>(k_ + k_ / 8 + 8));
    for (std::int32_t i = 0; i < state.count; ++i) {
        if (state.estimates[i] <= query.nearest) query.rows.push_back(state.ids[i]);
    }
    const auto measured = query.rows.insert(query.rows.end(), wild_.begin(), wild_.end());
    std::inplace_merge(query.rows.begin(), measured, query.rows.end());
}

// Sends the others to be measured, as far as the bound from the nearest leaves them.
void Decision::take_rest(Query& query) const {
    keep_nearest(query);
    if (static_cast<std::int64_t>(query.keys.size()) == k_) {
        const float distance = distance_from_bits(key_distance(query.keys.back()));
        if (std::isfinite(distance)) query.search->lower(static_cast<double>(distance));
    }
    query.search->thin();
    const Candidates& state = query.search->state();
    for (std::int32_t i = 0; i < state.count; ++i) {
        if (!(state.estimates[i] <= query.nearest)) query.rows.push_back(state.ids[i]);
    }
}

// Cuts the keys to the k smallest, the last of them last.
void Decision::keep_nearest(Query& query) const {
    if (static_cast<std::int64_t>(query.keys.size()) < k_) return;
    const auto kth = query.keys.begin() + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(query.keys.begin(), kth, query.keys.end());
    query.keys.resize(static_cast<std::size_t>(k_));
}

Status Decision::run(float* distances, std::int64_t* ids, std::int64_t& decided) {
    Status status = each_query([this](Query& query, std::int64_t) { take_nearest(query); });
    if (status == Status::ok) status = measure(decided);
    if (status == Status::ok) status = each_query([this](Query& query, std::int64_t) { take_rest(query); });
    if (status == Status::ok) status = measure(decided);
    if (status != Status::ok) return status;
    return each_query([&](Query& query, std::int64_t j) {
        keep_nearest(query);
        std::sort(query.keys.begin(), query.keys.end());
        const std::int64_t place = (first_ + j) * k_;
        std::transform(query.keys.begin(), query.keys.end(), distances + place,
                       [](Key key) { return distance_from_bits(key_distance(key)); });
        std::transform(query.keys.begin(), query.keys.end(), ids + place, key_id);
        // Fewer where a bound from elsewhere left out the others.
        const auto found = static_cast<std::int64_t>(query.keys.size());
        std::fill_n(distances + place + found, k_ - found, std::numeric_limits<float>::infinity());
        std::fill_n(ids + place + found, k_ - found, std::int64_t{-1});
    });
}

}  // namespace rsir
