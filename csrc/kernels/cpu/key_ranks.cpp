#include "kernels/cpu/key_ranks.h"

#include <cmath>
#include <limits>

#include "kernels/cpu/distance_bits.h"

namespace rsir {

KeyRanks::KeyRanks(const std::vector<Key>& marks, double error, float least)
    : marks_(marks), counts_(marks.size() + 1, 1), above_(marks.size() + 1, least), below_(marks.size() + 1) {
    counts_.back() = 0;
    // With e = error < 1/4: approximate > (1 + 2 e) mark implies exact >= approximate / (1 + e) > mark, with room for
    // the rounding of the product; and likewise below. The exact distance of a finite approximate one this far from
    // the largest float is finite too, so it lies below marks that are infinite or NaN.
    const auto scaled = [](float value, double factor) {
        constexpr float kLargest = std::numeric_limits<float>::max();
        return std::isfinite(value) ? static_cast<float>(std::min<double>(value * factor, kLargest)) : value;
    };
    const float largest = scaled(std::numeric_limits<float>::max(), 1.0 - 2.0 * error);
    below_.back() = largest;
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const float mark = distance_from_bits(key_distance(marks[i]));
        below_[i] = std::isfinite(mark) ? scaled(mark, 1.0 - 2.0 * error) : largest;
        above_[i + 1] = std::isfinite(mark) ? std::max(least, scaled(mark, 1.0 + 2.0 * error)) : mark;
    }
    if (marks.empty()) return;
    // A few marks at either end, above all the query's own distance of 0, may lie far from the others.
    const std::size_t last = marks.size() - 1, some = marks.size() / 32;
    low_ = key_distance(marks[std::min(last, some + 1)]);
    const std::uint32_t range = std::max(key_distance(marks[last - some]), low_) - low_;
    while (range >> shift_ >= kBuckets) ++shift_;
    for (const Key mark : marks) ++lower_marks_[bucket_of(key_distance(mark)) + 1];
    for (std::size_t bucket = 1; bucket < lower_marks_.size(); ++bucket)
        lower_marks_[bucket] += lower_marks_[bucket - 1];
}

void KeyRanks::take(std::int64_t* ranks) const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < marks_.size(); ++i) {
        sum += counts_[i];
        ranks[i] = sum;
    }
}

}  // namespace rsir
