#include "kernels/cpu/rank_marks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/distance_bits.h"
#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::uint32_t kInfinityBits = 0x7f800000;
constexpr std::int64_t kLeastBuckets = 16, kMostBuckets = 2048;
constexpr std::int64_t kStored = 64;  // queries at a time

}  // namespace

RankMarks::RankMarks(const RankRequest& request)
    : request_(request), queries_(static_cast<std::size_t>(request.q)), buckets_(kLeastBuckets) {
    std::int64_t marks = 0;
    for (std::int64_t j = 0; j < request.q; ++j) {
        Query& query = at(j);
        query.begin = static_cast<std::size_t>(marks);
        const std::int64_t* own = request.self == nullptr ? nullptr : request.self + j;
        if (own != nullptr && *own >= 0) {
            const std::int64_t *begin = members(j), *end = begin + relevant(j);
            const std::int64_t* place = std::lower_bound(begin, end, *own);
            if (place == end || *place != *own) {
                query.extra = *own;
                query.extra_place = place - begin;
            }
        }
        marks += count(j) + std::int64_t{RankTable::kMarks};
    }
    distances_ = Numbers<std::uint32_t>(marks);
    rows_ = Numbers<std::uint32_t>(marks);
    counts_ = Numbers<std::uint32_t>(marks);
    const std::int64_t wanted = marks / std::max<std::int64_t>(1, request.q);
    while (buckets_ < wanted && buckets_ < kMostBuckets) buckets_ *= 2;
    entries_ = Numbers<std::uint16_t>(buckets_ * request.q);
}

std::int64_t RankMarks::row(std::int64_t j, std::int64_t i) const {
    const Query& query = at(j);
    if (query.extra < 0 || i < query.extra_place) return members(j)[i];
    return i == query.extra_place ? query.extra : members(j)[i - 1];
}

void RankMarks::order(std::int64_t j, float window) {
    Query& query = at(j);
    std::uint32_t* distances = distances_.data() + query.begin;
    std::vector<Key> keys(static_cast<std::size_t>(count(j)));
    for (std::size_t i = 0; i < keys.size(); ++i) {
        keys[i] = make_key(distances[i], row(j, static_cast<std::int64_t>(i)));
    }
    sort_keys(keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        distances[i] = key_distance(keys[i]);
        rows_.data()[query.begin + i] = static_cast<std::uint32_t>(key_id(keys[i]));
        if (key_id(keys[i]) == query.extra) query.extra_mark = static_cast<std::int64_t>(i);
    }
    std::fill_n(distances + keys.size(), RankTable::kMarks, kInfinityBits);
    std::fill_n(counts(j), keys.size() + RankTable::kMarks, 0u);
    fill_table(j, window);
}

void RankMarks::fill_table(std::int64_t j, float window) {
    Query& query = at(j);
    const std::uint32_t *marks = distances_.data() + query.begin,
                        *finite = std::lower_bound(marks, marks + count(j), kInfinityBits);
    const std::int64_t last = finite - marks - 1, some = (last + 1) / 32;
    if (last >= 0) {
        // A few marks at either end, above all the query's own distance of 0, may lie far from the others.
        query.low = distance_from_bits(marks[std::min(last, some + 1)]) - window;
        const float nearly = distance_from_bits(marks[last - some]) + window;
        const float most = distance_from_bits(marks[last]) + window;
        const float high = most - query.low <= 4 * (nearly - query.low) ? most : nearly;
        const float inverse = static_cast<float>(buckets_ - 1) / (high - query.low);
        query.inverse = inverse > 0 && inverse < kInfinity ? inverse : 1.0f;
    }
    const RankTable own = table(j);
    std::array<std::uint32_t, kMostBuckets + 1> ends{};  // how many marks end before a bucket
    for (const std::uint32_t* mark = marks; mark != finite; ++mark) {
        ++ends[static_cast<std::size_t>(own.bucket_of(distance_from_bits(*mark) + window)) + 1];
    }
    std::uint32_t ended = 0;
    for (std::int64_t bucket = 0; bucket < buckets_; ++bucket) {
        ended += ends[static_cast<std::size_t>(bucket)];
        entries_.data()[j * buckets_ + bucket] = static_cast<std::uint16_t>(std::min(ended, 0xffffu));
    }
}

RankTable RankMarks::table(std::int64_t j) const {
    const Query& query = at(j);
    return {distances_.data() + query.begin,  entries_.data() + j * buckets_,      query.low, query.inverse,
            static_cast<float>(buckets_ - 1), static_cast<std::uint32_t>(count(j))};
}

void RankMarks::fetch(std::int64_t j) const {
    const char *marks = reinterpret_cast<const char*>(distances_.data() + at(j).begin),
               *counts = reinterpret_cast<const char*>(counts_.data() + at(j).begin),
               *entries = reinterpret_cast<const char*>(entries_.data() + j * buckets_);
    for (std::int64_t byte = 0; byte < 4 * count(j); byte += 64) __builtin_prefetch(marks + byte);
    for (std::int64_t byte = 0; byte < 4 * count(j); byte += 64) __builtin_prefetch(counts + byte, 1);
    for (std::int64_t byte = 0; byte < 2 * buckets_; byte += 64) __builtin_prefetch(entries + byte);
}

std::int64_t RankMarks::search(std::int64_t j, const RankWindow& window, const float* distances,
                               const std::int64_t* ids, std::int64_t n, std::uint32_t* open, std::int64_t found) {
    if (found == 0) return 0;
    const RankTable own = table(j);
    const std::uint32_t *marks = own.marks, *end = marks + own.count;
    const std::int64_t *member = std::lower_bound(members(j), members(j) + relevant(j), ids[0]),
                       *last = std::upper_bound(member, members(j) + relevant(j), ids[n - 1]), extra = at(j).extra;
    std::int64_t left = 0;
    for (std::int64_t i = 0; i < found; ++i) {
        const std::uint32_t at = open[i];
        while (member != last && *member < ids[at]) ++member;
        if ((member != last && *member == ids[at]) || ids[at] == extra) continue;
        const float off = window.offs == nullptr ? 0.0f : window.own + window.offs[at];
        const float low = distances[at] - off, high = distances[at] + off;
        const std::uint32_t* mark = marks + own.entries[own.bucket_of(distances[at])];
        // Only where it is above all marks with which it was compared, another one can tell more.
        if (low > distance_from_bits(mark[RankTable::kMarks - 1])) {
            mark = std::partition_point(mark, end, [&](std::uint32_t bits) { return low > distance_from_bits(bits); });
            if (high < distance_from_bits(*mark)) {
                ++counts(j)[mark - marks];
                continue;
            }
        }
        open[left++] = at;
    }
    return left;
}

void RankMarks::count(std::int64_t j, std::uint32_t bits, std::int64_t id, float distance) {
    const RankTable own = table(j);
    // Surely below it are all marks before this one.
    const std::uint32_t *end = own.marks + own.count,
                        *mark = std::isfinite(distance) ? own.marks + own.entries[own.bucket_of(distance)] : own.marks;
    // Nearly always few steps.
    for (std::uint32_t step = 0; step < RankTable::kMarks && *mark < bits && mark != end; ++step) ++mark;
    if (*mark < bits) mark = std::lower_bound(mark, end, bits);
    std::int64_t place = mark - own.marks;
    if (*mark == bits) {  // of rows at the same distance those of smaller ids stand before it
        const std::uint32_t *rows = rows_.data() + at(j).begin, *from = rows + place;
        place = std::lower_bound(from, from + (std::upper_bound(mark, end, bits) - mark), id) - rows;
    }
    ++counts(j)[place];
}

Status RankMarks::store(std::int64_t begin, std::int64_t end, std::int64_t* ranks, std::int64_t* self_ranks,
                        const Context& context) const {
    return parallel_for(context, (end - begin + kStored - 1) / kStored, [&](std::int64_t task, Poll&) {
        const std::int64_t first = begin + task * kStored;
        for (std::int64_t j = first; j < std::min(end, first + kStored); ++j) {
            const std::uint32_t *rows = rows_.data() + at(j).begin, *before = counts_.data() + at(j).begin;
            std::int64_t* out = ranks + request_.offsets[j] - request_.offsets[begin];
            const std::int64_t own = request_.self == nullptr ? -1 : request_.self[j];
            std::int64_t rank = 0, own_rank = 0;
            for (std::int64_t i = 0; i < count(j); ++i) {
                rank += before[i] + std::int64_t{1};  // itself
                if (rows[i] == own) own_rank = rank;
                if (i != at(j).extra_mark) *out++ = rank;
            }
            if (request_.self != nullptr) self_ranks[j - begin] = own_rank;
        }
    });
}

}  // namespace rsir
