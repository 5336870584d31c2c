// The marks of some queries: the rows whose ranks are wanted, their distances, and how many others stand before each.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

#include "kernels/context.h"
#include "kernels/cpu/numbers.h"
#include "kernels/cpu/rank_table.h"
#include "kernels/cpu/topk.h"

namespace rsir {

// What is asked: see relevant_ranks.h.
struct RankRequest {
    std::int64_t q;
    const std::int64_t* members;
    const std::int64_t* first;
    const std::int64_t* offsets;
    const std::int64_t* self;
};

class RankMarks {
  public:
    // Memory: 12 bytes a mark, and 2 to 4 (at most 4 KiB a query) for their tables. Not touched before threads fill it.
    explicit RankMarks(const RankRequest& request);

    // Marks of query j, and in the order of their rows the row of each.
    std::int64_t count(std::int64_t j) const { return relevant(j) + (at(j).extra >= 0 ? 1 : 0); }
    std::int64_t row(std::int64_t j, std::int64_t i) const;

    // Of the marks that are relevant, and the own item where it is not: it has none (-1), or its place among all.
    std::int64_t relevant(std::int64_t j) const { return request_.offsets[j + 1] - request_.offsets[j]; }
    const std::int64_t* members(std::int64_t j) const { return request_.members + request_.first[j]; }
    std::int64_t extra_place(std::int64_t j) const { return at(j).extra_place; }

    // Takes the distance of the i-th row; threads may do so at the same time.
    void set_distance(std::int64_t j, std::int64_t i, std::uint32_t bits) {
        distances_.data()[at(j).begin + static_cast<std::size_t>(i)] = bits;
    }

    // Orders the marks, once all distances are there, for others that are off by less than `window`.
    void order(std::int64_t j, float window);

    RankTable table(std::int64_t j) const;

    // How many others stand before each mark, but not before the one before it; two more places behind, the second for
    // what could not be placed. One thread at a time: the one that holds the lock.
    std::uint32_t* counts(std::int64_t j) { return counts_.data() + at(j).begin; }
    std::unique_lock<std::mutex> lock(std::int64_t j) {
        return std::unique_lock<std::mutex>(mutexes_[static_cast<std::size_t>(j) % mutexes_.size()]);
    }

    // Fetches what is needed of query j soon.
    void fetch(std::int64_t j) const;

    // Of the distances to rows ids[0], ids[1], ... (increasing) that SingleProduct::place left open, takes the marks
    // themselves out and counts what a search among all marks can tell. Returns how many stay open.
    std::int64_t search(std::int64_t j, const RankWindow& window, const float* distances, const std::int64_t* ids,
                        std::int64_t n, std::uint32_t* open, std::int64_t found);

    // Counts row `id` at the distance `bits`, which is about `distance`.
    void count(std::int64_t j, std::uint32_t bits, std::int64_t id, float distance);

    // Stores the ranks of the relevant rows of queries begin to end, and of their own rows.
    Status store(std::int64_t begin, std::int64_t end, std::int64_t* ranks, std::int64_t* self_ranks,
                 const Context& context) const;

  private:
    struct Query {
        std::size_t begin = 0;  // of its marks
        std::int64_t extra = -1, extra_place = -1;
        std::int64_t extra_mark = -1;  // its place among ordered marks
        float low = 0, inverse = 0;
    };

    Query& at(std::int64_t j) { return queries_[static_cast<std::size_t>(j)]; }
    const Query& at(std::int64_t j) const { return queries_[static_cast<std::size_t>(j)]; }
    void fill_table(std::int64_t j, float window);

    RankRequest request_;
    std::vector<Query> queries_;
    std::int64_t buckets_;
    // Of each query one for each mark, and RankTable::kMarks behind them.
    Numbers<std::uint32_t> distances_{0}, rows_{0}, counts_{0};
    Numbers<std::uint16_t> entries_{0};
    std::array<std::mutex, 256> mutexes_;
};

}  // namespace rsir
