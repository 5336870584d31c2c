// The distances of a block of queries to all rows of a database by register tiles: the dense pass that every exact
// answer may fall back to, in canonical float64 or, to certify, in float32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>

#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace rsir {

// Numbers aligned to a cache line, not initialised.
template <class Number>
class Numbers {
  public:
    explicit Numbers(std::int64_t count)
        : data_(static_cast<Number*>(operator new(static_cast<std::size_t>(count) * sizeof(Number), kLine))) {}
    Number* data() const { return data_.get(); }

  private:
    static constexpr std::align_val_t kLine{64};
    struct Delete {
        void operator()(Number* data) const { operator delete(data, kLine); }
    };
    std::unique_ptr<Number, Delete> data_;
};

constexpr std::int64_t round_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step * step; }

// The widest block of queries that is worth its memory, 4 MiB or one tile: every row of the database is widened once
// for all of them.
template <class Distance>
std::int64_t dense_query_block(const Distance& distance, std::int64_t d) {
    const std::int64_t bytes =
        std::max(kLanes, padded(d)) * static_cast<std::int64_t>(sizeof(typename Distance::Number));
    constexpr auto kMost = static_cast<std::int64_t>(512 / sizeof(typename Distance::Number));
    return round_up(std::clamp<std::int64_t>((4 << 20) / bytes, 1, kMost), distance.queries);
}

// Some queries, widened and packed once. Distance is CanonicalDistance or SingleDistance. Full tiles of queries are
// compared by tiles; a canonical few that are left, one by one.
template <class Distance>
class DenseScan {
  public:
    using Number = typename Distance::Number;

    // Queries first, ..., first + count - 1 of `ids`, or of `queries` where ids is null.
    DenseScan(const Distance& distance, const Rows& queries, const std::int64_t* ids, std::int64_t first,
              std::int64_t count)
        : distance_(distance),
          size_(padded(queries.d)),
          count_(count),
          tiled_(kOneByOne && 2 * (count % distance.queries) <= distance.queries ? count - count % distance.queries
                                                                                 : count),
          block_rows_(round_up(std::clamp<std::int64_t>(kRowNumbers / std::max(kLanes, size_), 2 * distance.rows, 256),
                               distance.rows)),
          packed_(round_up(tiled_, distance.queries) * size_),
          wide_((count - tiled_) * size_) {
        for (std::int64_t query = 0; query < tiled_; query += distance.queries) {
            distance.pack(queries, ids, first + query, std::min<std::int64_t>(distance.queries, tiled_ - query),
                          distance.queries, packed_.data() + query * size_);
        }
        if constexpr (kOneByOne) {
            for (std::int64_t query = tiled_; query < count; ++query) {
                distance.widen(queries, ids == nullptr ? first + query : ids[first + query],
                               wide_.data() + (query - tiled_) * size_);
            }
        }
    }

    // Calls sink(j, row, squared) for every query j < count and every row in [first, last) of the database; for each
    // query, rows come in increasing order. Returns early when poll.stop() is true.
    template <class Sink>
    void run(const Rows& database, std::int64_t first, std::int64_t last, Poll& poll, const Sink& sink) const {
        Numbers<Number> panels(tiled_ > 0 ? block_rows_ * size_ : 0);
        Numbers<Number> squared(std::max<std::int64_t>(block_rows_, distance_.capacity));
        for (std::int64_t row = first; row < last; row += block_rows_) {
            const std::int64_t count = std::min(block_rows_, last - row);
            for (std::int64_t r = 0; tiled_ > 0 && r < count; r += distance_.rows) {
                distance_.pack(database, nullptr, row + r, std::min<std::int64_t>(distance_.rows, count - r),
                               distance_.rows, panels.data() + r * size_);
            }
            // The rows of the next block come from memory while the tiles of this one are computed.
            const char* next = static_cast<const char*>(database.from(row + count).data);
            const char* next_end =
                static_cast<const char*>(database.from(std::min(row + count + block_rows_, last)).data);
            const std::int64_t lines = 1 + (next_end - next) * distance_.rows * distance_.queries / 64 /
                                               std::max<std::int64_t>(1, tiled_ * count);
            for (std::int64_t query = 0; query < tiled_; query += distance_.queries) {
                if (poll.stop()) return;
                const std::int64_t height = std::min<std::int64_t>(distance_.queries, tiled_ - query);
                for (std::int64_t r = 0; r < count; r += distance_.rows) {
                    for (std::int64_t line = 0; line < lines && next < next_end; ++line, next += 64) {
                        __builtin_prefetch(next, 0, 2);
                    }
                    distance_.tile(packed_.data() + query * size_, panels.data() + r * size_, size_, squared.data());
                    const std::int64_t width = std::min<std::int64_t>(distance_.rows, count - r);
                    for (std::int64_t i = 0; i < height; ++i) {
                        const Number* results = squared.data() + i * distance_.rows;
                        for (std::int64_t j = 0; j < width; ++j) sink(query + i, row + r + j, results[j]);
                    }
                }
            }
            if constexpr (kOneByOne) {
                for (std::int64_t query = tiled_; query < count_; ++query) {
                    if (poll.stop()) return;
                    distance_.gather(wide_.data() + (query - tiled_) * size_, database.from(row), nullptr, count, 0,
                                     squared.data());
                    for (std::int64_t j = 0; j < count; ++j) sink(query, row + j, squared.data()[j]);
                }
            }
        }
    }

  private:
    static constexpr bool kOneByOne = std::is_same_v<Distance, CanonicalDistance>;
    // Of a block of rows: with a tile of queries they stay in the second-level cache.
    static constexpr std::int64_t kRowNumbers = (192 << 10) / static_cast<std::int64_t>(sizeof(Number));

    const Distance& distance_;
    std::int64_t size_;
    std::int64_t count_;
    std::int64_t tiled_;       // queries [0, tiled_) are in packed_, the others in wide_
    std::int64_t block_rows_;  // a multiple of the rows of a tile
    Numbers<Number> packed_;
    Numbers<Number> wide_;
};

}  // namespace rsir
