// Where chosen keys stand among all keys, without sorting all keys.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/cpu/topk.h"

namespace rsir {

// Counts, for each of r sorted marks, the keys at or below it. A table over the distances of the marks says between
// which marks a key can lie at all: most keys need no comparison, the others a binary search among few.
class KeyRanks {
  public:
    // `marks`: different keys in increasing order, which count themselves.
    // `error`: for add_certified, |approximate - exact| <= error * exact, wherever approximate > least and finite.
    KeyRanks(const std::vector<Key>& marks, double error, float least);

    // Counts a key that is no mark.
    void add(std::uint32_t distance_bits, std::int64_t id) {
        ++counts_[place_of(distance_bits, make_key(distance_bits, id))];
    }

    // Counts a key by its approximate distance; false, and not counted, where it may lie on either side of a mark.
    bool add_certified(float approximate) {
        std::uint32_t bits;
        std::memcpy(&bits, &approximate, sizeof bits);
        const std::uint32_t place = place_of(bits, make_key(bits, 0));
        if (!(approximate > above_[place] && approximate < below_[place])) return false;
        ++counts_[place];
        return true;
    }

    // ranks[i] = number of keys counted that are at or below mark i.
    void take(std::int64_t* ranks) const;

  private:
    static constexpr std::uint32_t kBuckets = 2048;

    // Equal steps of the bits from low_ on; smaller distances share the first bucket, and larger the last.
    std::uint32_t bucket_of(std::uint32_t bits) const {
        return std::min((std::max(bits, low_) - low_) >> shift_, kBuckets);
    }

    // The number of marks below the key.
    std::uint32_t place_of(std::uint32_t bits, Key key) const {
        const std::uint32_t bucket = bucket_of(bits);
        const std::uint32_t place = lower_marks_[bucket], end = lower_marks_[bucket + 1];
        if (place == end) return place;
        const Key* mark = marks_.data() + place;
        // Without a branch on the comparison: it would be guessed wrong every other time.
        for (std::uint32_t length = end - place; length > 0;) {
            const std::uint32_t half = (length + 1) / 2;
            mark += mark[half - 1] < key ? half : 0;
            length -= half;
        }
        return static_cast<std::uint32_t>(mark - marks_.data());
    }

    const std::vector<Key>& marks_;
    std::uint32_t low_ = 0;
    int shift_ = 0;
    std::array<std::uint32_t, kBuckets + 2> lower_marks_{};  // by bucket
    std::vector<std::uint32_t> counts_;                      // keys between marks i - 1 and i, and mark i
    std::vector<float> above_, below_;  // an approximate distance between these lies between marks i - 1 and i
};

}  // namespace rsir
