#include "kernels/cpu/rank_marks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/distance_bits.h"

namespace rsir {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::uint32_t kInfinityBits = 0x7f800000;
constexpr std::int64_t kLeastBuckets = 16, kMostBuckets = 2048;
constexpr int kSteps = 3, kLinear = 8;  // marks that are tried one by one

}  // namespace

RankMarks::RankMarks(const RankRequest& request)
    : request_(request), queries_(static_cast<std::size_t>(request.q)), buckets_(kLeastBuckets) {
    std::size_t keys = 0;
    for (std::int64_t j = 0; j < request.q; ++j) {
        Query& query = at(j);
        query.begin = keys;
        const std::int64_t* own = request.self == nullptr ? nullptr : request.self + j;
        if (own != nullptr && *own >= 0) {
            const std::int64_t *begin = members(j), *end = begin + relevant(j);
            const std::int64_t* place = std::lower_bound(begin, end, *own);
            if (place == end || *place != *own) {
                query.extra = *own;
                query.extra_place = place - begin;
            }
        }
        keys += static_cast<std::size_t>(count(j)) + 2;
        if (own != nullptr) request.self_ranks[j] = 0;
    }
    distances_.resize(keys);
    rows_.resize(keys);
    std::fill_n(request.ranks, request.offsets[request.q], 0);
    const std::int64_t wanted = static_cast<std::int64_t>(keys) / std::max<std::int64_t>(1, request.q);
    while (buckets_ < wanted && buckets_ < kMostBuckets) buckets_ *= 2;
    entries_.resize(static_cast<std::size_t>(buckets_ * request.q));
}

std::int64_t RankMarks::row(std::int64_t j, std::int64_t i) const {
    const Query& query = at(j);
    if (query.extra < 0 || i < query.extra_place) return members(j)[i];
    return i == query.extra_place ? query.extra : members(j)[i - 1];
}

void RankMarks::order(std::int64_t j, float window) {
    Query& query = at(j);
    std::uint32_t *distances = distances_.data() + query.begin, *rows = rows_.data() + query.begin;
    std::vector<Key> keys(static_cast<std::size_t>(count(j)));
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = make_key(distances[i], rows[i]);
    sort_keys(keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        distances[i] = key_distance(keys[i]);
        rows[i] = static_cast<std::uint32_t>(key_id(keys[i]));
    }
    distances[keys.size()] = distances[keys.size() + 1] = kInfinityBits;
    if (query.extra >= 0) query.extra_mark = std::find(rows, rows + keys.size(), query.extra) - rows;
    query.window = window;
    fill_table(j);
}

void RankMarks::fill_table(std::int64_t j) {
    Query& query = at(j);
    const std::uint32_t *marks = distances_.data() + query.begin,
                        *finite = std::lower_bound(marks, marks + count(j), kInfinityBits);
    const std::int64_t last = finite - marks - 1, some = (last + 1) / 32;
    if (last >= 0) {
        // A few marks at either end, above all the query's own distance of 0, may lie far from the others.
        query.low = distance_from_bits(marks[std::min(last, some + 1)]) - query.window;
        const float nearly = distance_from_bits(marks[last - some]) + query.window;
        const float most = distance_from_bits(marks[last]) + query.window;
        const float high = most - query.low <= 4 * (nearly - query.low) ? most : nearly;
        const float inverse = static_cast<float>(buckets_ - 1) / (high - query.low);
        query.inverse = inverse > 0 && inverse < kInfinity ? inverse : 1.0f;
    }
    const RankTable own = table(j);
    // How many marks begin at, and end before, a bucket.
    std::array<std::uint32_t, kMostBuckets + 1> begins{}, ends{};
    for (const std::uint32_t* mark = marks; mark != finite; ++mark) {
        const float distance = distance_from_bits(*mark);
        ++begins[static_cast<std::size_t>(own.bucket_of(distance - query.window))];
        ++ends[static_cast<std::size_t>(own.bucket_of(distance + query.window)) + 1];
    }
    const bool has_steps = set_steps(query);
    std::uint16_t* entry = entries_.data() + j * buckets_;
    std::uint32_t begun = 0, ended = 0;
    for (std::size_t bucket = 0; bucket < static_cast<std::size_t>(buckets_); ++bucket) {
        begun += begins[bucket];
        ended += ends[bucket];
        const bool is_many = begun - ended > 2 || ended > RankTable::kPlace || bucket == 0 || !has_steps;
        *entry++ = static_cast<std::uint16_t>(std::min<std::uint32_t>(ended, RankTable::kPlace) |
                                              (is_many ? RankTable::kSearch : 0));
    }
}

// Distances beyond the first bucket are at least `low`, and marks that are near to them low - window: as bits grow,
// their steps do.
bool RankMarks::set_steps(Query& query) {
    const float least = query.low - query.window, step = std::nextafter(least, kInfinity) - least;
    if (!(least > 0.0f) || !(query.window < 1024 * step)) return false;
    query.steps = static_cast<std::uint32_t>(query.window / step) + 2;
    return true;
}

RankTable RankMarks::table(std::int64_t j) const {
    const Query& query = at(j);
    return {distances_.data() + query.begin,
            entries_.data() + j * buckets_,
            query.low,
            query.inverse,
            static_cast<float>(buckets_ - 1),
            query.window,
            query.steps,
            static_cast<std::uint32_t>(count(j))};
}

void RankMarks::fetch(std::int64_t j) const {
    const char *marks = reinterpret_cast<const char*>(distances_.data() + at(j).begin),
               *entries = reinterpret_cast<const char*>(entries_.data() + j * buckets_);
    for (std::int64_t byte = 0; byte < 4 * count(j); byte += 64) __builtin_prefetch(marks + byte);
    for (std::int64_t byte = 0; byte < 2 * buckets_; byte += 64) __builtin_prefetch(entries + byte);
    const char* ranks = reinterpret_cast<const char*>(request_.ranks + request_.offsets[j]);
    for (std::int64_t byte = 0; byte < 8 * relevant(j); byte += 64) __builtin_prefetch(ranks + byte, 1, 2);
}

std::int64_t RankMarks::search(std::int64_t j, const float* distances, const std::int64_t* ids, std::int64_t n,
                               const Off& off, std::uint32_t* counts, std::uint32_t* open, std::int64_t found) const {
    if (found == 0) return 0;
    const RankTable own = table(j);
    const std::uint32_t *marks = own.marks, *end = marks + own.count;
    const std::int64_t *member = std::lower_bound(members(j), members(j) + relevant(j), ids[0]),
                       *last = std::upper_bound(member, members(j) + relevant(j), ids[n - 1]), extra = at(j).extra;
    std::int64_t left = 0;
    for (std::int64_t i = 0; i < found; ++i) {
        const std::uint32_t at = open[i];
        const float distance = distances[at];
        while (member != last && *member < ids[at]) ++member;
        if ((member != last && *member == ids[at]) || ids[at] == extra) continue;
        if (off.norms != nullptr && std::isfinite(distance)) {
            const float window =
                static_cast<float>(off.error * (off.own + static_cast<double>(off.norms[at])) + off.least);
            const auto is_above = [&](std::uint32_t mark) { return distance > distance_from_bits(mark) + window; };
            const std::uint32_t* mark = marks + (own.entries[own.bucket_of(distance)] & RankTable::kPlace);
            // Nearly always few steps, and without a branch they cost little; behind all marks stands infinity.
            for (int step = 0; step < kSteps; ++step) mark += is_above(*mark) ? 1 : 0;
            if (is_above(*mark)) mark = std::partition_point(mark, end, is_above);
            if (!(distance >= distance_from_bits(*mark) - window)) {  // where the mark is NaN, too
                ++counts[mark - marks];
                continue;
            }
        }
        open[left++] = at;
    }
    return left;
}

std::int64_t RankMarks::below(std::int64_t j, Key key, float distance) const {
    const RankTable own = table(j);
    const std::uint32_t* rows = rows_.data() + at(j).begin;
    // Surely below it are all marks before this one, unless `distance` says nothing.
    std::int64_t place = std::isfinite(distance) ? own.entries[own.bucket_of(distance)] & RankTable::kPlace : 0;
    const std::int64_t count = own.count;
    const std::uint32_t bits = key_distance(key);
    int step = 0;
    for (; step < kLinear && place < count && own.marks[place] < bits; ++step) ++place;
    if (step < kLinear && (place == count || own.marks[place] != bits)) return place;
    const auto equal = std::equal_range(own.marks + place, own.marks + count, bits);
    const std::uint32_t *from = rows + (equal.first - own.marks), *to = rows + (equal.second - own.marks);
    return std::lower_bound(from, to, static_cast<std::uint32_t>(key_id(key))) - rows;
}

void RankMarks::add(std::int64_t j, const std::uint32_t* counts) {
    const std::lock_guard<std::mutex> lock(mutexes_[static_cast<std::size_t>(j) % mutexes_.size()]);
    std::int64_t* out = request_.ranks + request_.offsets[j];
    const std::int64_t extra = at(j).extra_mark, total = count(j), first = extra < 0 ? total : extra;
    for (std::int64_t i = 0; i < first; ++i) out[i] += counts[i];
    if (extra < 0) return;
    request_.self_ranks[j] += counts[extra];
    for (std::int64_t i = extra + 1; i < total; ++i) out[i - 1] += counts[i];
}

void RankMarks::store(std::int64_t j) {
    std::int64_t* out = request_.ranks + request_.offsets[j];
    const std::int64_t extra = at(j).extra_mark, total = count(j);
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < total; ++i) {
        std::int64_t& rank = i == extra ? request_.self_ranks[j] : *out++;
        sum += rank + 1;  // itself
        rank = sum;
        if (extra < 0 && request_.self != nullptr &&
            rows_[at(j).begin + static_cast<std::size_t>(i)] == request_.self[j]) {
            request_.self_ranks[j] = rank;
        }
    }
}

}  // namespace rsir
