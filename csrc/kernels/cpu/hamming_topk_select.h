// Selection of the k nearest codes where distances are small whole numbers: by counting.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/cpu/topk.h"

namespace rsir {

// Stable sort by distance, which is at most `bits`: keys in the order of their ids end in the order of (distance, id).
inline void sort_by_small_distance(std::vector<Key>& keys, std::int64_t bits) {
    const auto values = static_cast<std::size_t>(bits) + 1;
    if (keys.size() < values / 4) {
        std::sort(keys.begin(), keys.end());
        return;
    }
    std::vector<std::size_t> start(values);
    for (const Key key : keys) ++start[key_distance(key)];
    std::size_t sum = 0;
    for (std::size_t& count : start) sum += std::exchange(count, sum);
    std::vector<Key> sorted(keys.size());
    for (const Key key : keys) sorted[start[key_distance(key)]++] = key;
    keys.swap(sorted);
}

// Takes codes in increasing id and keeps the k nearest: O(1) a code, 2k + 64 keys and one counter for each distance.
class CountingSelector {
  public:
    CountingSelector(std::int64_t k, std::int64_t bits)
        : k_(static_cast<std::size_t>(k)),
          capacity_(2 * k_ + 64),
          limit_(static_cast<std::uint32_t>(bits) + 1),
          counts_(limit_) {}

    // A code as far as this, or farther, is not wanted: k codes at least as near have smaller ids, or there is a bound.
    std::uint32_t limit() const { return limit_; }

    // To be told before the first code: k codes of the database are nearer than `limit`.
    void set_limit(std::uint32_t limit) { limit_ = std::min(limit_, limit); }

    void offer(std::uint32_t distance, std::int64_t id) {
        if (distance >= limit_) return;
        keys_.push_back(make_key(distance, id));
        ++counts_[distance];
        if (++nearer_ >= k_) {
            // Those nearer than limit - 1, or as near, are k: what is still to come must be nearer than limit - 1.
            while (nearer_ >= k_) nearer_ -= counts_[--limit_];
            is_full_ = true;
        }
        if (keys_.size() >= capacity_) cut();
    }

    // The nearest in the order of (distance, id); the selector is empty afterwards.
    std::vector<Key> take(std::int64_t bits) {
        cut();
        sort_by_small_distance(keys_, bits);
        return std::move(keys_);
    }

  private:
    // Once full, k is reached by all keys below the limit and the first of those at the limit.
    void cut() {
        if (!is_full_) return;
        std::size_t ties = k_ - nearer_;
        keys_.erase(std::remove_if(keys_.begin(), keys_.end(),
                                   [&](Key key) {
                                       const std::uint32_t distance = key_distance(key);
                                       if (distance < limit_) return false;
                                       return distance > limit_ || ties == 0 || (--ties, false);
                                   }),
                    keys_.end());
    }

    std::size_t k_;
    std::size_t capacity_;
    std::uint32_t limit_;
    std::size_t nearer_ = 0;  // keys below the limit
    bool is_full_ = false;
    std::vector<std::uint32_t> counts_;  // [bits + 1], right below the limit
    std::vector<Key> keys_;
};

}  // namespace rsir
