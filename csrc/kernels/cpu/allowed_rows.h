// The allowed rows of a database as a sequence: counted once for a call, so that its places can be split evenly.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/allowed.h"

namespace rsir {

class AllowedRows {
  public:
    // O(n / 64), or O(1) where all rows are allowed.
    explicit AllowedRows(const Allowed& allowed);

    bool all() const { return allowed_.all(); }
    std::int64_t count() const { return count_; }
    const Allowed& bits() const { return allowed_; }

    // The row at a place, which is the place where all are allowed; n at place count().
    std::int64_t row_at(std::int64_t place) const;

    // Writes the rows at places first, ..., first + count - 1.
    void take(std::int64_t first, std::int64_t count, std::int64_t* rows) const;

    // Of rows in increasing order, those that are allowed.
    std::vector<std::uint32_t> among(const std::uint32_t* rows, std::int64_t count) const;

  private:
    static constexpr std::int64_t kStretch = 4096;

    Allowed allowed_;
    std::int64_t count_;
    std::vector<std::int64_t> before_;  // allowed rows before each stretch of kStretch rows, and all of them
};

}  // namespace rsir
