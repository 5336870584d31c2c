// Selection of the k smallest 64-bit keys, and the search loop that all distances share.
//
// A key is (order-preserving bits of the distance) << 32 | id: comparing keys is comparing (distance, id), every key is
// different, and so any way of splitting and merging the work gives the same answer.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace rsir {

using Key = std::uint64_t;

constexpr Key make_key(std::uint32_t distance_bits, std::int64_t id) {
    return (Key{distance_bits} << 32) | static_cast<std::uint32_t>(id);
}
constexpr std::uint32_t key_distance(Key key) { return static_cast<std::uint32_t>(key >> 32); }
constexpr std::int64_t key_id(Key key) { return static_cast<std::int64_t>(key & 0xffffffffu); }

// Sorts keys whose ids increase.
void sort_keys(std::vector<Key>& keys);

// Keeps the k smallest of the keys pushed. Amortised O(1) a key: a buffer of 2k is cut to k by nth_element when full.
class KeySelector {
  public:
    // At most `expected` keys will be pushed.
    KeySelector(std::int64_t k, std::int64_t expected);

    void push(Key key) {
        if (key >= threshold_) return;
        keys_.push_back(key);
        if (keys_.size() == capacity_) cut();
    }

    // The min(k, pushed) smallest keys in increasing order; the selector is empty afterwards.
    std::vector<Key> take();

  private:
    void cut();

    std::size_t k_;
    std::size_t capacity_;
    Key threshold_ = ~Key{0};
    bool was_cut_ = false;
    std::vector<Key> keys_;
};

// Pushes the keys of database rows [first, last) for queries [query, query + selectors.size()); asks poll.stop() often.
using ScanRows = std::function<void(std::int64_t query, std::int64_t first, std::int64_t last,
                                    std::vector<KeySelector>& selectors, Poll& poll)>;

// Called once per query with its min(k, n) best keys in increasing order.
using StoreRow = std::function<void(std::int64_t query, const std::vector<Key>& keys)>;

// Splits q x n over threads (by blocks of at most query_block queries; for few queries also by database range) and
// merges by key.
Status search(std::int64_t q, std::int64_t n, std::int64_t k, const Context& context, const ScanRows& scan,
              const StoreRow& store, std::int64_t query_block = 8);

}  // namespace rsir
