// The squared distance in float32, with a proven bound on its distance from the canonical one: the certify pass of
// exact ranks.
//
// All terms are squares, so nothing cancels and the error is relative. With u = 2^-24, a difference of float32 numbers
// is rounded once (its square is off by a factor within (1 +- u)^2), a fused multiply-add rounds each of the
// padded(d) / lanes sums of a lane once, and the fold rounds log2(lanes) <= 4 times more. The canonical distance is off
// by less than u before, and by u after its rounding to float32. Results below 2^-126 have an absolute error, of
// 2^-149 at most for each operation. So for d <= 2^20, a finite result r > 2^-100, and the canonical distance c as
// float32: |r - c| <= single_error(table, d) * c. Results that are not finite or not above 2^-100 say nothing.
#pragma once

#include <cstdint>

#include "kernels/context.h"
#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/lanes.h"

namespace rsir {

// As CanonicalDistance, over panels of float32: [step][row][lane]. The matrices must not be stored as float64.
struct SingleDistance {
    using Number = float;

    const char* isa;
    int queries;
    int rows;
    int capacity;
    int lanes;  // 0: this instruction set has no such pass
    void (*pack)(const Rows& matrix, const std::int64_t* ids, std::int64_t first, std::int64_t count, int height,
                 float* panel);
    void (*tile)(const float* query_panel, const float* row_panel, std::int64_t size, float* out);
};

extern const SingleDistance single_distance_scalar;
extern const SingleDistance single_distance_neon;
extern const SingleDistance single_distance_avx2;
extern const SingleDistance single_distance_avx512;

const SingleDistance& single_distance(Isa isa);

constexpr std::int64_t kSingleMaximum = std::int64_t{1} << 20;  // largest d that the bound is proven for
constexpr float kSingleLeast = 0x1p-100f;

// Six roundings beside those of the sums, the absolute errors, and what (1 + u)^n exceeds 1 + n u by: at most 2 %.
inline double single_error(const SingleDistance& distance, std::int64_t d) {
    return 1.02 * (static_cast<double>(padded(d) / distance.lanes) + 12.0) * 0x1p-24;
}

}  // namespace rsir
