// Where chosen keys stand among all keys, without sorting all keys.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cpu/topk.h"

namespace rsir {

// Counts, for each of r sorted marks, the keys at or below it. A table over the distances of the marks says between
// which marks a key can lie at all: most keys need no comparison, the others a binary search among few.
class KeyRanks {
  public:
    // `marks`: different keys in increasing order.
    explicit KeyRanks(const std::vector<Key>& marks);

    void add(std::uint32_t distance_bits, std::int64_t id) {
        const std::uint32_t bucket = bucket_of(distance_bits);
        std::uint32_t place = below_[bucket];
        const std::uint32_t end = below_[bucket + 1];
        if (place != end) {
            const Key key = make_key(distance_bits, id);
            const Key* mark = marks_.data() + place;
            // Without a branch on the comparison: it would be guessed wrong every other time.
            for (std::uint32_t length = end - place; length > 0;) {
                const std::uint32_t half = (length + 1) / 2;
                mark += mark[half - 1] < key ? half : 0;
                length -= half;
            }
            place = static_cast<std::uint32_t>(mark - marks_.data());
        }
        ++counts_[place];
    }

    // ranks[i] = number of keys added that are at or below mark i; marks that were added count themselves.
    void take(std::int64_t* ranks) const;

  private:
    static constexpr std::uint32_t kBuckets = 4096;

    // Equal steps of the bits from low_ on; smaller distances share the first bucket, and larger the last.
    std::uint32_t bucket_of(std::uint32_t bits) const {
        return std::min((std::max(bits, low_) - low_) >> shift_, kBuckets);
    }

    const std::vector<Key>& marks_;
    std::uint32_t low_ = 0;
    int shift_ = 0;
    std::array<std::uint32_t, kBuckets + 2> below_{};  // marks in lower buckets
    std::vector<std::uint32_t> counts_;
};

}  // namespace rsir
