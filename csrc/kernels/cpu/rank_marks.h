// The marks of some queries: the rows whose ranks are wanted, their keys, and how many others stand before each.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

#include "kernels/cpu/rank_table.h"
#include "kernels/cpu/topk.h"

namespace rsir {

// What is asked, and where the answers go: see relevant_ranks.h.
struct RankRequest {
    std::int64_t q;
    const std::int64_t* members;
    const std::int64_t* first;
    const std::int64_t* offsets;
    const std::int64_t* self;
    std::int64_t* ranks;
    std::int64_t* self_ranks;
};

class RankMarks {
  public:
    // Memory: 8 bytes a mark, and 2 to 4 (at most 4 KiB a query) for their tables.
    explicit RankMarks(const RankRequest& request);

    // Marks of query j, and in the order of their rows the row of each.
    std::int64_t count(std::int64_t j) const { return relevant(j) + (at(j).extra >= 0 ? 1 : 0); }
    std::int64_t row(std::int64_t j, std::int64_t i) const;

    // Of the marks that are relevant, and the own item where it is not: it has none (-1), or its place among all.
    std::int64_t relevant(std::int64_t j) const { return request_.offsets[j + 1] - request_.offsets[j]; }
    const std::int64_t* members(std::int64_t j) const { return request_.members + request_.first[j]; }
    std::int64_t extra_place(std::int64_t j) const { return at(j).extra_place; }

    // Takes the key of the i-th row; threads may do so at the same time.
    void set_key(std::int64_t j, std::int64_t i, Key key) {
        const std::size_t place = at(j).begin + static_cast<std::size_t>(i);
        distances_[place] = key_distance(key);
        rows_[place] = static_cast<std::uint32_t>(key_id(key));
    }

    // Orders the keys, once all are there, for distances that are off by less than `window`.
    void order(std::int64_t j, float window);

    RankTable table(std::int64_t j) const;

    // Fetches what is needed of query j soon.
    void fetch(std::int64_t j) const;

    // What SingleProduct::place left open of distances to rows ids[0], ids[1], ... (increasing): counts what a search
    // among the marks can tell, where norms say how far distances are off (of row i by less than error * (own +
    // norms[i]) + least; null: not at all), and takes the marks themselves out. Returns how many stay open.
    struct Off {
        double error, least, own;
        const float* norms;
    };
    std::int64_t search(std::int64_t j, const float* distances, const std::int64_t* ids, std::int64_t n, const Off& off,
                        std::uint32_t* counts, std::uint32_t* open, std::int64_t count) const;

    // The number of marks below a key, which is about `distance`.
    std::int64_t below(std::int64_t j, Key key, float distance) const;

    // Adds counts [count(j) + 1] to those of query j; threads may do so at the same time.
    void add(std::int64_t j, const std::uint32_t* counts);

    // Turns all counts into ranks.
    void store(std::int64_t j);

  private:
    struct Query {
        std::size_t begin = 0;  // of its keys
        std::int64_t extra = -1, extra_place = -1;
        std::int64_t extra_mark = -1;  // its place among ordered keys
        float low = 0, inverse = 0, window = 0;
        std::uint32_t steps = 0;
    };

    Query& at(std::int64_t j) { return queries_[static_cast<std::size_t>(j)]; }
    const Query& at(std::int64_t j) const { return queries_[static_cast<std::size_t>(j)]; }
    void fill_table(std::int64_t j);
    static bool set_steps(Query& query);

    RankRequest request_;
    std::vector<Query> queries_;
    // The halves of the keys of each query, and behind them two of distance infinity.
    std::vector<std::uint32_t> distances_, rows_;
    std::int64_t buckets_;
    std::vector<std::uint16_t> entries_;
    std::array<std::mutex, 64> mutexes_;
};

}  // namespace rsir
