#include "kernels/cpu/dense_scan.h"

namespace rsir {
namespace {

constexpr std::int64_t kRowBytes = 384 << 10;  // of widened rows: with a tile of queries they stay in the L2 cache
constexpr std::int64_t kQueryBytes = 4 << 20;
constexpr std::int64_t kQueries = 64;

// What a tile of queries costs, padding included, in queries compared one by one.
std::int64_t tiled_queries(const CanonicalDistance& distance, std::int64_t count) {
    const std::int64_t rest = count % distance.queries;
    return 2 * rest > distance.queries ? count : count - rest;
}

std::int64_t round_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step * step; }

}  // namespace

std::int64_t dense_query_block(const CanonicalDistance& distance, std::int64_t d) {
    const std::int64_t row = std::max(kLanes, padded(d)) * static_cast<std::int64_t>(sizeof(double));
    return round_up(std::clamp<std::int64_t>(kQueryBytes / row, 1, kQueries), distance.queries);
}

DenseScan::DenseScan(const CanonicalDistance& distance, const Rows& queries, const std::int64_t* ids,
                     std::int64_t first, std::int64_t count)
    : distance_(distance),
      size_(padded(queries.d)),
      count_(count),
      tiled_(tiled_queries(distance, count)),
      block_rows_(
          round_up(std::clamp<std::int64_t>(kRowBytes / std::max<std::int64_t>(1, size_ * 8), 1, 256), distance.rows)),
      packed_(round_up(tiled_, distance.queries) * size_),
      wide_((count - tiled_) * size_) {
    for (std::int64_t query = 0; query < tiled_; query += distance.queries) {
        distance.pack(queries, ids, first + query, std::min<std::int64_t>(distance.queries, tiled_ - query),
                      distance.queries, packed_.data() + query * size_);
    }
    for (std::int64_t query = tiled_; query < count; ++query) {
        distance.widen(queries, ids == nullptr ? first + query : ids[first + query],
                       wide_.data() + (query - tiled_) * size_);
    }
}

}  // namespace rsir
