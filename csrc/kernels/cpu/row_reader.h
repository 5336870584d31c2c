// The rows of a matrix as searches compare them: as they are, or Gaussian-normalised copies of some at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/context.h"
#include "kernels/cpu/canonical_distance.h"
#include "kernels/rows.h"

namespace rsir {

// Where rows are normalised as they are read, a copy has the float32 bits of gaussian_normalize: it is made by the same
// loops. One reader a thread.
class RowReader {
  public:
    // At most `most` rows are taken at a time.
    RowReader(const Rows& matrix, Isa isa, std::int64_t most);

    bool copies() const { return matrix_.normalize == Normalize::row; }

    // Rows first, ..., first + count - 1 as rows 0, ..., count - 1; valid until the next call.
    Rows take(std::int64_t first, std::int64_t count);

    // Rows ids[0], ..., ids[count - 1] likewise; only where it copies.
    template <class Id>
    Rows take(const Id* ids, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) copy(ids[i], ids[std::min(i + 1, count - 1)], i);
        return copied();
    }

    // As CanonicalDistance::gather.
    void gather(const CanonicalDistance& distance, const double* query, const std::uint32_t* ids, std::int64_t m,
                std::int64_t coming, double* out);

  private:
    // Row `row` to place i, while row `next` is fetched.
    void copy(std::int64_t row, std::int64_t next, std::int64_t i);
    Rows copied() const { return {copies_.data(), Element::float32, matrix_.d, Normalize::none}; }

    Rows matrix_;
    Isa isa_;
    std::int64_t most_;
    std::vector<float> copies_;  // [most, d]
    std::vector<double> wide_;   // [d], of a row in half precision
};

}  // namespace rsir
