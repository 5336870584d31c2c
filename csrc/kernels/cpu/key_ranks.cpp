#include "kernels/cpu/key_ranks.h"

namespace rsir {

KeyRanks::KeyRanks(const std::vector<Key>& marks) : marks_(marks), counts_(marks.size() + 1) {
    if (marks.empty()) return;
    // A few marks at either end, above all the query's own distance of 0, may lie far from the others.
    const std::size_t last = marks.size() - 1, some = marks.size() / 32;
    low_ = key_distance(marks[std::min(last, some + 1)]);
    const std::uint32_t range = std::max(key_distance(marks[last - some]), low_) - low_;
    while (range >> shift_ >= kBuckets) ++shift_;
    for (const Key mark : marks) ++below_[bucket_of(key_distance(mark)) + 1];
    for (std::size_t bucket = 1; bucket < below_.size(); ++bucket) below_[bucket] += below_[bucket - 1];
}

void KeyRanks::take(std::int64_t* ranks) const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i + 1 < counts_.size(); ++i) {
        sum += counts_[i];
        ranks[i] = sum;
    }
}

}  // namespace rsir
