// The canonical distances of a block of queries to all rows of a database: the dense pass that every exact answer may
// fall back to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace rsir {

// Numbers aligned to a cache line, not initialised.
class Doubles {
  public:
    explicit Doubles(std::int64_t count)
        : data_(static_cast<double*>(operator new(static_cast<std::size_t>(count) * sizeof(double), kLine))) {}
    double* data() const { return data_.get(); }

  private:
    static constexpr std::align_val_t kLine{64};
    struct Delete {
        void operator()(double* data) const { operator delete(data, kLine); }
    };
    std::unique_ptr<double, Delete> data_;
};

// The widest block of queries that is worth its memory: every row of the database is widened once for all of them.
std::int64_t dense_query_block(const CanonicalDistance& distance, std::int64_t d);

// Some queries, widened and packed once. Full tiles of them are compared by tiles; a few that are left, one by one.
class DenseScan {
  public:
    // Queries first, ..., first + count - 1 of `ids`, or of `queries` where ids is null.
    DenseScan(const CanonicalDistance& distance, const Rows& queries, const std::int64_t* ids, std::int64_t first,
              std::int64_t count);

    // Calls sink(j, row, squared) for every query j < count and every row in [first, last) of the database; for each
    // query, rows come in increasing order. Returns early when poll.stop() is true.
    template <class Sink>
    void run(const Rows& database, std::int64_t first, std::int64_t last, Poll& poll, const Sink& sink) const {
        Doubles panels(tiled_ > 0 ? block_rows_ * size_ : 0);
        Doubles squared(std::max<std::int64_t>(block_rows_, distance_.capacity));
        for (std::int64_t row = first; row < last; row += block_rows_) {
            const std::int64_t count = std::min(block_rows_, last - row);
            for (std::int64_t r = 0; tiled_ > 0 && r < count; r += distance_.rows) {
                distance_.pack(database, nullptr, row + r, std::min<std::int64_t>(distance_.rows, count - r),
                               distance_.rows, panels.data() + r * size_);
            }
            for (std::int64_t query = 0; query < tiled_; query += distance_.queries) {
                if (poll.stop()) return;
                const std::int64_t height = std::min<std::int64_t>(distance_.queries, tiled_ - query);
                for (std::int64_t r = 0; r < count; r += distance_.rows) {
                    distance_.tile(packed_.data() + query * size_, panels.data() + r * size_, size_, squared.data());
                    const std::int64_t width = std::min<std::int64_t>(distance_.rows, count - r);
                    for (std::int64_t i = 0; i < height; ++i) {
                        const double* results = squared.data() + i * distance_.rows;
                        for (std::int64_t j = 0; j < width; ++j) sink(query + i, row + r + j, results[j]);
                    }
                }
            }
            for (std::int64_t query = tiled_; query < count_; ++query) {
                if (poll.stop()) return;
                distance_.gather(wide_.data() + (query - tiled_) * size_, database.from(row), nullptr, count,
                                 squared.data());
                for (std::int64_t j = 0; j < count; ++j) sink(query, row + j, squared.data()[j]);
            }
        }
    }

  private:
    const CanonicalDistance& distance_;
    std::int64_t size_;
    std::int64_t count_;
    std::int64_t tiled_;       // queries [0, tiled_) are in packed_, the others in wide_
    std::int64_t block_rows_;  // a multiple of the rows of a tile
    Doubles packed_;
    Doubles wide_;
};

}  // namespace rsir
