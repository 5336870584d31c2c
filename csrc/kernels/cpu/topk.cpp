#include "kernels/cpu/topk.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rsir {
namespace {

constexpr std::int64_t kBlockKeys = std::int64_t{1} << 21;  // 16 MiB of keys per thread bounds the selectors' memory
constexpr std::size_t kRadixMinimum = 256;

// Stable radix sort by the distance half of the key: with ids pushed in increasing order that is the full key order.
void sort_by_distance(std::vector<Key>& keys) {
    constexpr int kBits = 11;
    constexpr std::size_t kBuckets = std::size_t{1} << kBits;
    std::vector<Key> other(keys.size());
    for (int shift = 32; shift < 64; shift += kBits) {
        const auto digit = [shift](Key key) { return (key >> shift) & (kBuckets - 1); };
        std::array<std::size_t, kBuckets> start{};
        for (const Key key : keys) ++start[digit(key)];
        std::size_t sum = 0;
        for (std::size_t& count : start) sum += std::exchange(count, sum);
        for (const Key key : keys) other[start[digit(key)]++] = key;
        keys.swap(other);
    }
}

}  // namespace

void sort_keys(std::vector<Key>& keys) {
    if (keys.size() >= kRadixMinimum) {
        sort_by_distance(keys);
    } else {
        std::sort(keys.begin(), keys.end());
    }
}

KeySelector::KeySelector(std::int64_t k, std::int64_t expected)
    : k_(static_cast<std::size_t>(std::min(k, expected))), capacity_(2 * k_ + 64) {
    keys_.reserve(std::min(capacity_, static_cast<std::size_t>(expected)));
}

void KeySelector::cut() {
    const auto kth = keys_.begin() + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(keys_.begin(), kth, keys_.end());
    threshold_ = *kth;
    keys_.resize(k_);
    was_cut_ = true;
}

std::vector<Key> KeySelector::take() {
    if (keys_.size() > k_) cut();
    if (was_cut_) {
        std::sort(keys_.begin(), keys_.end());
    } else {
        sort_keys(keys_);
    }
    return std::move(keys_);
}

Status search(std::int64_t q, std::int64_t n, std::int64_t k, const Context& context, const ScanRows& scan,
              const StoreRow& store, std::int64_t query_block) {
    const std::int64_t depth = std::min(k, n);
    if (q == 0 || k == 0) return Status::ok;
    if (depth == 0) {
        for (std::int64_t query = 0; query < q; ++query) store(query, {});
        return Status::ok;
    }
    const std::int64_t threads = std::max(1, context.threads);
    std::int64_t block = std::clamp<std::int64_t>(kBlockKeys / (2 * depth), 1, query_block);
    block = std::clamp<std::int64_t>((q + threads - 1) / threads, 1, block);
    const std::int64_t blocks = (q + block - 1) / block;
    const std::int64_t ranges = std::clamp<std::int64_t>((threads + blocks - 1) / blocks, 1, n);

    std::vector<std::vector<Key>> partial(ranges > 1 ? static_cast<std::size_t>(q * ranges) : 0);
    const Status status = parallel_for(context, blocks * ranges, [&](std::int64_t task, Poll& poll) {
        const std::int64_t query = task / ranges * block;
        const std::int64_t range = task % ranges;
        const std::int64_t first = n * range / ranges, last = n * (range + 1) / ranges;
        std::vector<KeySelector> selectors;
        for (std::int64_t j = query; j < std::min(query + block, q); ++j) selectors.emplace_back(depth, last - first);
        scan(query, first, last, selectors, poll);
        if (poll.stop()) return;
        for (std::int64_t j = 0; j < static_cast<std::int64_t>(selectors.size()); ++j) {
            auto keys = selectors[static_cast<std::size_t>(j)].take();
            if (ranges == 1) {
                store(query + j, keys);
            } else {
                partial[static_cast<std::size_t>((query + j) * ranges + range)] = std::move(keys);
            }
        }
    });
    if (ranges == 1 || status != Status::ok) return status;

    return parallel_for(context, q, [&](std::int64_t query, Poll&) {
        std::vector<Key> keys;
        for (std::int64_t range = 0; range < ranges; ++range) {
            const auto& part = partial[static_cast<std::size_t>(query * ranges + range)];
            keys.insert(keys.end(), part.begin(), part.end());
        }
        std::nth_element(keys.begin(), keys.begin() + depth - 1, keys.end());
        keys.resize(static_cast<std::size_t>(depth));
        std::sort(keys.begin(), keys.end());
        store(query, keys);
    });
}

}  // namespace rsir
