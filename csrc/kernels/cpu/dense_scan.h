// The canonical distances of a block of queries to all (allowed) rows of a database by register tiles: the dense pass
// that every exact answer may fall back to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cpu/allowed_rows.h"
#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/numbers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_reader.h"

namespace rsir {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step * step; }

// The widest block of queries that is worth its memory, 4 MiB or one tile: every row of the database is widened once
// for all of them.
inline std::int64_t dense_query_block(const CanonicalDistance& distance, std::int64_t d) {
    const std::int64_t bytes = std::max(kLanes, padded(d)) * static_cast<std::int64_t>(sizeof(double));
    return round_up(std::clamp<std::int64_t>((4 << 20) / bytes, 1, 64), distance.queries);
}

// A block of consecutive rows, as DenseScan asks for them.
class EveryRow {
  public:
    EveryRow(const Rows& database, Isa isa, std::int64_t block)
        : database_(database), reader_(database, isa, block), block_(database) {}

    // The block of `count` rows from `place` on, behind which `coming` will be asked for.
    void begin(std::int64_t place, std::int64_t count, std::int64_t coming) {
        place_ = place;
        count_ = count;
        block_ = reader_.take(place, count);
        next_ = static_cast<const char*>(database_.from(place + count).data);
        next_end_ = static_cast<const char*>(database_.from(place + count + coming).data);
        coming_bytes_ = next_end_ - next_;
    }
    // For CanonicalDistance::pack: the r-th row of the block is row ids()[r] of matrix(), or row r where ids is null.
    const Rows& matrix() const { return block_; }
    const std::int64_t* ids() const { return nullptr; }
    std::int64_t row(std::int64_t r) const { return place_ + r; }
    std::int64_t coming_bytes() const { return coming_bytes_; }
    // Fetches some more lines of what is coming.
    void prefetch(std::int64_t lines) {
        for (; lines > 0 && next_ < next_end_; --lines, next_ += 64) __builtin_prefetch(next_, 0, 2);
    }
    void gather(const CanonicalDistance& distance, const double* query, double* squared) const {
        distance.gather(query, block_, nullptr, count_, 0, squared);
    }

  private:
    const Rows& database_;
    RowReader reader_;
    Rows block_;
    std::int64_t place_ = 0, count_ = 0, coming_bytes_ = 0;
    const char* next_ = nullptr;
    const char* next_end_ = nullptr;
};

// The same of allowed rows only, which lie apart from each other.
class ChosenRows {
  public:
    ChosenRows(const Rows& database, Isa isa, std::int64_t block, const AllowedRows& rows)
        : database_(database),
          reader_(database, isa, block),
          block_(database),
          rows_(rows),
          ids_(static_cast<std::size_t>(2 * block)),
          narrow_(ids_.size()) {}

    void begin(std::int64_t place, std::int64_t count, std::int64_t coming) {
        count_ = count;
        coming_ = coming;
        rows_.take(place, count + coming, ids_.data());
        std::transform(ids_.begin(), ids_.begin() + count + coming, narrow_.begin(),
                       [](std::int64_t id) { return static_cast<std::uint32_t>(id); });
        if (reader_.copies()) block_ = reader_.take(ids_.data(), count);
        next_ = count;
        next_byte_ = 0;
    }
    const Rows& matrix() const { return block_; }
    const std::int64_t* ids() const { return reader_.copies() ? nullptr : ids_.data(); }
    std::int64_t row(std::int64_t r) const { return ids_[static_cast<std::size_t>(r)]; }
    std::int64_t coming_bytes() const { return coming_ * database_.row_bytes(); }
    void prefetch(std::int64_t lines) {
        for (; lines > 0 && next_ < count_ + coming_; --lines) {
            __builtin_prefetch(static_cast<const char*>(database_.from(row(next_)).data) + next_byte_, 0, 2);
            next_byte_ += 64;
            if (next_byte_ < database_.row_bytes()) continue;
            next_byte_ = 0;
            ++next_;
        }
    }
    void gather(const CanonicalDistance& distance, const double* query, double* squared) const {
        if (reader_.copies()) {
            distance.gather(query, block_, nullptr, count_, 0, squared);
        } else {
            distance.gather(query, database_, narrow_.data(), count_, coming_, squared);
        }
    }

  private:
    const Rows& database_;
    RowReader reader_;
    Rows block_;  // a copy of the block, or the database
    const AllowedRows& rows_;
    std::vector<std::int64_t> ids_;      // of this block, then of the next
    std::vector<std::uint32_t> narrow_;  // the same
    std::int64_t count_ = 0, coming_ = 0, next_ = 0, next_byte_ = 0;
};

// Some queries, widened and packed once. Full tiles of queries are compared by tiles; a few that are left, one by one.
class DenseScan {
  public:
    // Queries first, ..., first + count - 1 of `ids`, or of `queries` where ids is null.
    DenseScan(const CanonicalDistance& distance, const Rows& queries, const std::int64_t* ids, std::int64_t first,
              std::int64_t count)
        : distance_(distance),
          size_(padded(queries.d)),
          count_(count),
          tiled_(2 * (count % distance.queries) <= distance.queries ? count - count % distance.queries : count),
          block_rows_(round_up(std::clamp<std::int64_t>(kRowNumbers / std::max(kLanes, size_), 2 * distance.rows, 256),
                               distance.rows)),
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

    // Calls sink(j, row, squared) for every query j < count and the rows at places first, ..., last - 1 of those
    // allowed; for each query, rows come in increasing order. Returns early when poll.stop() is true.
    template <class Sink>
    void run(const Rows& database, const AllowedRows& rows, std::int64_t first, std::int64_t last, Isa isa, Poll& poll,
             const Sink& sink) const {
        if (rows.all()) {
            scan(EveryRow(database, isa, block_rows_), first, last, poll, sink);
        } else {
            scan(ChosenRows(database, isa, block_rows_, rows), first, last, poll, sink);
        }
    }

  private:
    // Of a block of rows: with a tile of queries they stay in the second-level cache.
    static constexpr std::int64_t kRowNumbers = (192 << 10) / static_cast<std::int64_t>(sizeof(double));

    template <class Block, class Sink>
    void scan(Block rows, std::int64_t first, std::int64_t last, Poll& poll, const Sink& sink) const {
        Numbers<double> panels(tiled_ > 0 ? block_rows_ * size_ : 0);
        Numbers<double> squared(std::max<std::int64_t>(block_rows_, distance_.capacity));
        for (std::int64_t place = first; place < last; place += block_rows_) {
            const std::int64_t count = std::min(block_rows_, last - place);
            rows.begin(place, count, std::min(block_rows_, last - place - count));
            for (std::int64_t r = 0; tiled_ > 0 && r < count; r += distance_.rows) {
                distance_.pack(rows.matrix(), rows.ids(), r, std::min<std::int64_t>(distance_.rows, count - r),
                               distance_.rows, panels.data() + r * size_);
            }
            // The rows of the next block come from memory while the tiles of this one are computed.
            const std::int64_t lines = 1 + rows.coming_bytes() * distance_.rows * distance_.queries / 64 /
                                               std::max<std::int64_t>(1, tiled_ * count);
            for (std::int64_t query = 0; query < tiled_; query += distance_.queries) {
                if (poll.stop()) return;
                const std::int64_t height = std::min<std::int64_t>(distance_.queries, tiled_ - query);
                for (std::int64_t r = 0; r < count; r += distance_.rows) {
                    rows.prefetch(lines);
                    distance_.tile(packed_.data() + query * size_, panels.data() + r * size_, size_, squared.data());
                    const std::int64_t width = std::min<std::int64_t>(distance_.rows, count - r);
                    for (std::int64_t i = 0; i < height; ++i) {
                        const double* results = squared.data() + i * distance_.rows;
                        for (std::int64_t j = 0; j < width; ++j) sink(query + i, rows.row(r + j), results[j]);
                    }
                }
            }
            for (std::int64_t query = tiled_; query < count_; ++query) {
                if (poll.stop()) return;
                rows.gather(distance_, wide_.data() + (query - tiled_) * size_, squared.data());
                for (std::int64_t j = 0; j < count; ++j) sink(query, rows.row(j), squared.data()[j]);
            }
        }
    }

    const CanonicalDistance& distance_;
    std::int64_t size_;
    std::int64_t count_;
    std::int64_t tiled_;       // queries [0, tiled_) are in packed_, the others in wide_
    std::int64_t block_rows_;  // a multiple of the rows of a tile
    Numbers<double> packed_;
    Numbers<double> wide_;
};

}  // namespace rsir
