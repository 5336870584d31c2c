// The certify pass of a search of rows for themselves: each product of two rows is taken once and tested twice, as each
// side has a bound of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/context.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/numbers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/searched_blocks.h"

namespace rsir {

// What the candidates of a row, and its codes as a query in so many steps, take at first.
std::int64_t self_row_bytes(std::int64_t steps, std::int64_t k);

// Rows whose candidates are live.
struct SelfRows {
    struct alignas(64) CacheLine {
        std::int8_t bytes[64];
    };

    std::int64_t first = 0, end = 0;  // first: a multiple of SelfScan::kUnit
    std::vector<CandidateSearch> searches;
    std::unique_ptr<Numbers<CacheLine>> codes{};  // as queries, as many together as a tile takes

    std::int64_t count() const { return end - first; }
    CandidateSearch& of(std::int64_t row) { return searches[static_cast<std::size_t>(row - first)]; }
};

class SelfScan {
  public:
    static constexpr std::int64_t kUnit = 48;  // rows of three panels, and of whole tiles of queries

    // memory: of the rows that are live at once.
    SelfScan(const Rows& rows, const SearchedBlock& block, std::int64_t k, const Certify& certify,
             const Context& context, std::int64_t memory);

    // Begins the searches of rows first, ..., end - 1; `known` tells each what is known of it.
    Status begin(SelfRows& some, std::int64_t first, std::int64_t end,
                 const std::function<void(std::int64_t row, CandidateSearch&)>& known);

    // Searches the rows of y for those of x, and the other way round; or those of x for themselves, where they are the
    // same. As often as the candidates have outgrown the memory, calls `flush`, which takes them and begins the
    // searches again. No bound depends on when two rows are compared in a way that an answer could show.
    Status scan(SelfRows& x, SelfRows& y, const std::function<Status()>& flush);

    // Gives back the room that the candidates do not need.
    Status settle(SelfRows& some);

  private:
    // Some rows of a side that are compared together, with those of another block.
    struct Block {
        SelfRows* rows;
        std::int64_t first, end;
        std::mutex* mutex;  // of their searches
    };
    struct Pair {
        std::size_t x, y;
        bool is_done;
    };

    Status each_row(SelfRows& some, const std::function<void(std::int64_t first, std::int64_t last)>& body);
    std::int64_t bytes_of(const SelfRows& some) const;
    bool is_too_large() const { return bytes_ > memory_; }
    std::int64_t block_rows(const SelfRows& x, const SelfRows& y) const;
    // Rows and, behind the last, as many more as fill the last tile.
    std::int64_t height(const Block& block) const;
    std::int8_t* codes_of_subset(const Block& block, std::int64_t row) const;
    void renew(std::int64_t row, CandidateSearch& search);
    void compare(const Block& x, const Block& y, Poll& poll);
    void fetch(const Block& block);
    void test(const Block& x, const Block& y, const std::int32_t* sums, std::int64_t width);
    void append(const Block& block, std::int64_t query, std::int64_t row, float estimate);
    void tighten_if_full(const Block& block, std::int64_t query);

    const Rows& rows_;
    const Sidecar& sidecar_;
    const Panels panels_;
    const Certify& certify_;
    const Codes& codes_of_;
    const Context& context_;
    const std::int64_t k_, memory_;
    const std::int64_t subset_;  // queries whose products are taken together
    const std::int64_t subset_lines_;
    std::vector<float> slope_, reach_, cutoff_;  // of all rows
    std::atomic<std::int64_t> bytes_{0};         // of the rows that are compared
};

}  // namespace rsir
