// The rows of a database as the certify pass of ranks multiplies them: float32, after subtracting one vector.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/certify.h"
#include "kernels/cpu/numbers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_reader.h"
#include "kernels/cpu/single_product.h"

namespace rsir {

// Of one thread: up to `most` rows, zeros behind each up to `stride` numbers.
class CentredRows {
  public:
    CentredRows(std::int64_t d, std::int64_t most);

    // No multiple of a large power of two, so that rows do not fall on the same lines of the cache.
    std::int64_t stride() const { return stride_; }
    const float* row(std::int64_t i) const { return numbers_.data() + i * stride_; }

    // Rows ids[0], ..., ids[count - 1] of the reader's matrix, count <= most; those whose norm is NaN as zeros.
    void take(const Rows& matrix, RowReader& reader, const std::int64_t* ids, std::int64_t count, const float* mean,
              const Certify& certify, const float* norms);

  private:
    std::int64_t d_, stride_;
    Numbers<float> numbers_;
};

// The mean of up to 1024 rows spread over the parts, element by element of those that are finite.
std::vector<float> sample_mean(const std::vector<Rows>& parts, const std::vector<std::int64_t>& counts, Isa isa);

// norms [n]: |x|^2 of every row, after subtracting the mean, as float32; NaN where the bound does not cover it.
// offs [n]: what it adds to the error of a distance (single_product.h).
Status centred_norms(const Rows& matrix, std::int64_t n, const float* mean, const Context& context, float* norms,
                     float* offs);

}  // namespace rsir
