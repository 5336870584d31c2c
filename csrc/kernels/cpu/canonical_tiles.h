// Canonical distances of some queries to some rows of a matrix, by register tiles.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/numbers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_reader.h"

namespace rsir {

// Of a thread: queries packed once, and a few rows at a time that stay in the second-level cache.
class CanonicalTiles {
  public:
    static constexpr std::int64_t kRows = 48;  // that a reader has to be able to take

    // Queries ids[0], ..., ids[count - 1].
    CanonicalTiles(const CanonicalDistance& distance, const Rows& queries, const std::int64_t* ids, std::int64_t count)
        : distance_(distance),
          count_(count),
          is_tiled_(2 * count > distance.queries),
          size_(padded(queries.d)),
          queries_((count + distance.queries) * std::max(kLanes, size_)),
          rows_(is_tiled_ ? (kRows + distance.rows) * std::max(kLanes, size_) : 0),
          squared_(std::max<std::int64_t>(kRows, distance.capacity)) {
        for (std::int64_t i = 0; i < count && is_tiled_; i += distance.queries) {
            distance.pack(queries, ids, i, std::min<std::int64_t>(distance.queries, count - i), distance.queries,
                          queries_.data() + i * size_);
        }
        for (std::int64_t i = 0; i < count && !is_tiled_; ++i) {
            distance.widen(queries, ids[i], queries_.data() + i * size_);
        }
    }

    // Calls sink(i, j, squared) for every query i and row j of ids[0], ..., ids[count - 1] of the reader's matrix; but
    // not where j < i + diagonal for all of a tile.
    template <class Sink>
    void run(const Rows& matrix, RowReader& reader, const std::int64_t* ids, std::int64_t count, std::int64_t diagonal,
             Poll& poll, const Sink& sink) {
        for (std::int64_t first = 0; first < count && !poll.stop(); first += kRows) {
            const std::int64_t end = std::min(count, first + kRows);
            if (end <= diagonal) continue;
            if (is_tiled_) {
                tiles(matrix, reader, ids, first, end, diagonal, sink);
            } else {
                std::uint32_t rows[kRows];
                std::copy(ids + first, ids + end, rows);
                for (std::int64_t i = 0; i < count_; ++i) {
                    reader.gather(distance_, queries_.data() + i * size_, rows, end - first, 0, squared_.data());
                    for (std::int64_t r = first; r < end; ++r) sink(i, r, squared_.data()[r - first]);
                }
            }
        }
    }

  private:
    template <class Sink>
    void tiles(const Rows& matrix, RowReader& reader, const std::int64_t* ids, std::int64_t first, std::int64_t end,
               std::int64_t diagonal, const Sink& sink) {
        const bool copies = reader.copies();
        const Rows block = copies ? reader.take(ids + first, end - first) : matrix;
        for (std::int64_t r = first; r < end; r += distance_.rows) {
            distance_.pack(block, copies ? nullptr : ids, copies ? r - first : r,
                           std::min<std::int64_t>(distance_.rows, end - r), distance_.rows,
                           rows_.data() + (r - first) * size_);
        }
        for (std::int64_t i = 0; i < count_; i += distance_.queries) {
            const std::int64_t height = std::min<std::int64_t>(distance_.queries, count_ - i);
            for (std::int64_t r = first; r < end; r += distance_.rows) {
                const std::int64_t width = std::min<std::int64_t>(distance_.rows, end - r);
                if (r + width <= i + diagonal) continue;
                distance_.tile(queries_.data() + i * size_, rows_.data() + (r - first) * size_, size_, squared_.data());
                for (std::int64_t y = 0; y < height; ++y) {
                    for (std::int64_t x = 0; x < width; ++x) {
                        sink(i + y, r + x, squared_.data()[y * distance_.rows + x]);
                    }
                }
            }
        }
    }

    const CanonicalDistance& distance_;
    std::int64_t count_;
    bool is_tiled_;  // otherwise a tile would be half empty
    std::int64_t size_;
    Numbers<double> queries_, rows_, squared_;
};

}  // namespace rsir
