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
constexpr std::int64_t kCopies = 16;                         // of rows that are normalised as they are read
constexpr std::int64_t kCandidates = std::int64_t{1} << 23;  // that are decided together: 96 MiB

void put_in_order(std::vector<std::uint32_t>& rows) {
    if (!std::is_sorted(rows.begin(), rows.end())) std::sort(rows.begin(), rows.end());
}

}  // namespace

Decision::Decision(const Operands& operands, const std::vector<std::int64_t>& parts, std::int64_t first,
                   CandidateSearch* searches, std::int64_t count)
    : operands_(operands), parts_(parts), first_(first), block_(static_cast<std::size_t>(count)) {
    for (Query& query : block_) {
        query.searches = searches;
        searches += parts.size();
        query.overflowed = std::any_of(query.searches, searches, [](const auto& part) { return part.overflowed(); });
    }
}

// Calls body(query, index) for every query of which no search has overflowed.
Status Decision::each_query(const std::function<void(Query&, std::int64_t)>& body) {
    const auto count = static_cast<std::int64_t>(block_.size());
    const std::int64_t tasks = std::min<std::int64_t>(count, kTasksPerThread * operands_.context.threads);
    return parallel_for(operands_.context, tasks, [&](std::int64_t task, Poll& poll) {
        for (std::int64_t j = count * task / tasks; j < count * (task + 1) / tasks && !poll.stop(); ++j) {
            Query& query = block_[static_cast<std::size_t>(j)];
            if (!query.overflowed) body(query, j);
        }
    });
}

// All blocks in chunks of so many rows at most.
std::vector<Decision::Chunk> Decision::chunks(std::int64_t rows) const {
    std::vector<Chunk> found;
    for (std::int64_t b = 0; b < operands_.blocks.count; ++b) {
        const SearchedBlock& block = operands_.blocks[b];
        const std::int64_t end = block.first + block.allowed.bits().n;
        for (std::int64_t row = block.first; row < end; row += rows)
            found.push_back({b, row, std::min(end, row + rows)});
    }
    return found;
}

// Where two rows are queries that want each other, the one that comes first measures both.
Status Decision::borrow() {
    const auto last = first_ + static_cast<std::int64_t>(block_.size());
    const Status status = each_query([&](Query& query, std::int64_t j) {
        query.lent.clear();
        for (const std::uint32_t row : query.rows) {
            if (row < first_ || row >= std::min(last, first_ + j)) continue;
            const std::vector<std::uint32_t>& others = block_[static_cast<std::size_t>(row - first_)].rows;
            if (std::binary_search(others.begin(), others.end(), first_ + j)) query.lent.push_back(row);
        }
    });
    if (status != Status::ok) return status;
    return each_query([](Query& query, std::int64_t) {
        auto next = query.lent.begin();
        query.rows.erase(std::remove_if(query.rows.begin(), query.rows.end(),
                                        [&](std::uint32_t row) {
                                            if (next == query.lent.end() || *next != row) return false;
                                            ++next;
                                            return true;
                                        }),
                         query.rows.end());
    });
}

// Takes over the keys of what others have measured.
Status Decision::collect() {
    return each_query([&](Query& query, std::int64_t j) {
        Key* key = query.keys.data() + query.measured + query.rows.size();
        for (const std::uint32_t row : query.lent) {
            const Query& other = block_[static_cast<std::size_t>(row - first_)];
            const auto place = std::lower_bound(other.rows.begin(), other.rows.end(), first_ + j);
            const auto own = other.measured + static_cast<std::size_t>(place - other.rows.begin());
            *key++ = make_key(key_distance(other.keys[own]), row);
        }
    });
}

// Turns the rows of every query into keys.
Status Decision::measure(std::int64_t& decided) {
    if (operands_.is_mutual) {
        const Status status = borrow();
        if (status != Status::ok) return status;
    }
    const auto count = static_cast<std::int64_t>(block_.size());
    std::int64_t pairs = 0, n = 0, row_bytes = 1;
    for (Query& query : block_) {
        pairs += static_cast<std::int64_t>(query.rows.size());
        query.measured = query.keys.size();
        query.keys.resize(query.keys.size() + query.rows.size() + query.lent.size());
    }
    if (pairs == 0) return Status::ok;
    decided += pairs;
    for (const SearchedBlock& block : operands_.blocks) {
        n += block.allowed.bits().n;
        row_bytes = std::max(row_bytes, block.rows.row_bytes());
    }
    // In chunks only where some rows are wanted more than once; else a task goes through all blocks.
    const bool is_scattered = pairs < n;
    const std::vector<Chunk> all =
        chunks(is_scattered ? n : std::max(kChunkBytes / row_bytes + 1, kLeastVisit * n * count / pairs));
    const auto total = static_cast<std::int64_t>(all.size());
    // The threads take the same chunk at the same time: it has to fit into the cache that they share.
    const bool is_shared = !is_scattered && total > 1;
    const std::int64_t parts =
        std::min<std::int64_t>(count, (is_shared ? 1 : kTasksPerThread) * operands_.context.threads);
    const std::int64_t each = is_scattered ? total : 1;
    Status status = parallel_for(operands_.context, total / each * parts, [&](std::int64_t task, Poll& poll) {
        const std::int64_t begin = task / parts * each, part = task % parts;
        for (std::int64_t chunk = begin; chunk < begin + each && !poll.stop(); ++chunk) {
            measure(all[static_cast<std::size_t>(chunk)], count * part / parts, count * (part + 1) / parts, poll);
        }
    });
    if (status == Status::ok && operands_.is_mutual) status = collect();
    for (Query& query : block_) query.rows.clear();
    return status;
}

// The rows of queries first, ..., last - 1 that lie in a chunk.
void Decision::measure(const Chunk& chunk, std::int64_t first, std::int64_t last, Poll& poll) {
    const SearchedBlock& block = operands_.blocks[chunk.block];
    // All of them side by side, so that those of the next query are fetched meanwhile.
    std::vector<std::uint32_t> rows;
    std::vector<Key*> ends;  // of the keys of each query
    std::vector<std::size_t> stops;
    for (std::int64_t j = first; j < last; ++j) {
        Query& query = block_[static_cast<std::size_t>(j)];
        const auto end = query.rows.end();
        const auto from = std::lower_bound(query.rows.begin(), end, chunk.begin);
        const auto to = std::lower_bound(from, end, chunk.end);
        for (auto row = from; row != to; ++row) rows.push_back(*row - static_cast<std::uint32_t>(block.first));
        ends.push_back(query.keys.data() + query.measured + (from - query.rows.begin()));
        stops.push_back(rows.size());
    }
    if (rows.empty()) return;
    std::vector<double> vector(static_cast<std::size_t>(padded(block.rows.d))), squared;
    RowReader reader(block.rows, operands_.context.isa, kCopies);
    std::size_t from = 0;
    for (std::int64_t j = first; j < last && !poll.stop(); ++j) {
        const std::size_t to = stops[static_cast<std::size_t>(j - first)];
        if (from == to) continue;
        squared.resize(to - from);
        operands_.canonical.widen(operands_.queries, first_ + j, vector.data());
        reader.gather(operands_.canonical, vector.data(), rows.data() + from, static_cast<std::int64_t>(to - from),
                      static_cast<std::int64_t>(rows.size() - to), squared.data());
        Key* keys = ends[static_cast<std::size_t>(j - first)];
        for (std::size_t i = from; i < to; ++i) {
            *keys++ = make_key(distance_bits(squared[i - from]), block.first + rows[i]);
        }
        from = to;
    }
}

// The estimates of one search lack the norm of the query, which those of another sidecar see from another mean.
float Decision::estimate(const CandidateSearch& search, std::int32_t i) const {
    const float own = search.state().estimates[i];
    return parts_.size() == 1 ? own : own + static_cast<float>(search.norm());
}

// Calls body(row, estimate); a search of rows for themselves finds them in any order.
template <class Body>
void Decision::for_candidates(const Query& query, const Body& body) const {
    for (std::size_t part = 0; part < parts_.size(); ++part) {
        const CandidateSearch& search = query.searches[part];
        const auto first = static_cast<std::uint32_t>(operands_.blocks[parts_[part]].first);
        for (std::int32_t i = 0; i < search.state().count; ++i) {
            body(first + search.state().ids[i], estimate(search, i));
        }
    }
}

// Sends the k nearest estimates, and rows that have none, to be measured.
void Decision::take_nearest(Query& query) const {
    const Candidates& only = query.searches->state();
    std::vector<float> more;
    if (parts_.size() != 1) {
        for_candidates(query, [&](std::uint32_t, float estimate) { more.push_back(estimate); });
    }
    const std::int64_t k = operands_.k,
                       count = parts_.size() == 1 ? only.count : static_cast<std::int64_t>(more.size());
    query.nearest = count > k ? operands_.certify.select(parts_.size() == 1 ? only.estimates : more.data(), count, k)
                              : std::numeric_limits<float>::infinity();
    query.rows.reserve(operands_.wild.size() + static_cast<std::size_t>(k + k / 8 + 8));
    for_candidates(query, [&](std::uint32_t row, float estimate) {
        if (estimate <= query.nearest) query.rows.push_back(row);
    });
    put_in_order(query.rows);
    const auto measured = query.rows.insert(query.rows.end(), operands_.wild.begin(), operands_.wild.end());
    std::inplace_merge(query.rows.begin(), measured, query.rows.end());
}

// Sends the others to be measured, as far as the bound from the nearest leaves them.
void Decision::take_rest(Query& query) const {
    keep_nearest(query);
    if (static_cast<std::int64_t>(query.keys.size()) == operands_.k) {
        const float distance = distance_from_bits(key_distance(query.keys.back()));
        for (std::size_t part = 0; part < parts_.size() && std::isfinite(distance); ++part) {
            query.searches[part].lower(static_cast<double>(distance));
            query.searches[part].thin();
        }
    }
    for_candidates(query, [&](std::uint32_t row, float estimate) {
        if (!(estimate <= query.nearest)) query.rows.push_back(row);
    });
    put_in_order(query.rows);
}

// Cuts the keys to the k smallest, the last of them last.
void Decision::keep_nearest(Query& query) const {
    if (static_cast<std::int64_t>(query.keys.size()) < operands_.k) return;
    const auto kth = query.keys.begin() + static_cast<std::ptrdiff_t>(operands_.k) - 1;
    std::nth_element(query.keys.begin(), kth, query.keys.end());
    query.keys.resize(static_cast<std::size_t>(operands_.k));
}

Status Decision::run(float* distances, std::int64_t* ids, std::int64_t& decided) {
    Status status = each_query([&](Query& query, std::int64_t j) {
        const std::int64_t place = (first_ + j) * operands_.k;
        for (std::int64_t i = place; operands_.is_continued && i < place + operands_.k && ids[i] >= 0; ++i) {
            query.keys.push_back(make_key(distance_bits(static_cast<double>(distances[i])), ids[i]));
        }
        take_nearest(query);
    });
    if (status == Status::ok) status = measure(decided);
    if (status == Status::ok) status = each_query([this](Query& query, std::int64_t) { take_rest(query); });
    if (status == Status::ok) status = measure(decided);
    if (status != Status::ok) return status;
    return each_query([&](Query& query, std::int64_t j) {
        keep_nearest(query);
        std::sort(query.keys.begin(), query.keys.end());
        const std::int64_t place = (first_ + j) * operands_.k;
        std::transform(query.keys.begin(), query.keys.end(), distances + place,
                       [](Key key) { return distance_from_bits(key_distance(key)); });
        std::transform(query.keys.begin(), query.keys.end(), ids + place, key_id);
    });
}

namespace {

// The searches of one query.
struct PartsOfQuery {
    CandidateSearch* searches;
    std::int64_t parts;

    bool overflowed() const {
        return std::any_of(searches, searches + parts, [](const CandidateSearch& part) { return part.overflowed(); });
    }
    std::int64_t candidates() const {
        std::int64_t sum = 0;
        for (std::int64_t part = 0; part < parts; ++part) sum += searches[part].state().count;
        return sum;
    }
};

}  // namespace

Status decide_searches(const Decision::Operands& operands, const std::vector<std::int64_t>& parts_of,
                       std::int64_t first, std::int64_t count, CandidateSearch* searches, float* distances,
                       std::int64_t* ids, std::vector<std::int64_t>& undecided, SearchCounts& counts) {
    const auto parts = static_cast<std::int64_t>(parts_of.size());
    for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
        std::int64_t found = 0;
        for (; end < count && (found == 0 || found < kCandidates); ++end) {
            const PartsOfQuery query{searches + end * parts, parts};
            if (query.overflowed()) {
                undecided.push_back(first + end);
                continue;
            }
            counts.candidates += query.candidates();
            found += query.candidates() + static_cast<std::int64_t>(operands.wild.size());
        }
        Decision decision(operands, parts_of, first + begin, searches + begin * parts, end - begin);
        const Status status = decision.run(distances, ids, counts.decided);
        if (status != Status::ok) return status;
    }
    return Status::ok;
}

}  // namespace rsir
