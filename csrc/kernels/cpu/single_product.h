// Dot products in float32, with a proven bound on how far a distance formed from them is from the canonical one: the
// certify pass of exact ranks.
//
// With x and y as float32 after subtracting one vector from both (no distance changes), |x - y|^2 = X + Y - 2 <x, y>,
// X = |x|^2 and Y = |y|^2: half the operations of a sum of squared differences, and none of its terms twice where x
// and y change places. What is lost is relative to X + Y, not to the distance. With u = 2^-24, in units of u (X + Y):
//   <x, y> is summed in chunks of kProductColumns columns, of each of which every lane rounds one fused sum an element,
//   folding rounds log2(lanes) times, and adding a chunk once: g = chunk / lanes + log2(lanes) + chunks roundings, and
//   2 |x| |y| <= X + Y, so 2 <x, y> is off by g;
//   X and Y are rounded to float32: 1; their sum: 1; the difference, at most 2 (X + Y): 2;
//   x and y were rounded: e = 1.01 u (|x| + |y|), and 2 e |x - y| + e^2 <= 2.03 u (|x| + |y|)^2 <= 4.1 u (X + Y): 4.1;
//   the canonical distance as float32 is within 1.01 u of the true one, at most 2 (X + Y): 2.1;
//   m - w and m + w, with which it is compared, are rounded, m at most 2.1 (X + Y): 2.2.
// Together g + 12.4; single_error counts g + 14. What u^2 adds is less than 2 %. Sums of subnormal numbers lose 2^-150
// an operation besides: kSingleLeast an element.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/context.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/rank_table.h"

namespace rsir {

constexpr std::int64_t kProductColumns = 512;  // of a chunk: ten rows of it stay in the first-level cache

constexpr std::int64_t kTurned = 16;  // columns: those of one cache line

struct SingleProduct {
    const char* isa;
    int queries;   // of a tile
    int rows;      // of a tile
    int capacity;  // numbers that it writes, at least queries * rows
    int lanes;     // 0: this instruction set has no such pass
    int folds;     // log2(lanes)
    // out[i * rows + j] = <x_i, y_j> of the first `size` columns of rows that are `stride` apart; size is a multiple of
    // kLanes.
    void (*tile)(const float* x, const float* y, std::int64_t stride, std::int64_t size, float* out);
    // Stores, or adds, the numbers of a tile, or of its first `height` x `width`, to a matrix with `ld` columns.
    void (*store)(const float* tile, std::int64_t height, std::int64_t width, bool add, float* out, std::int64_t ld);
    // out [width, height] = the transpose of `height` rows, `ld` apart, of which each has width <= kTurned numbers.
    void (*turn)(const float* from, std::int64_t height, std::int64_t width, std::int64_t ld, float* out);
    double (*norm)(const float* x, std::int64_t size);  // |x|^2; size is a multiple of kLanes
    // Turns n products with x into distances, `own` = X and norms[i] = Y of each.
    void (*distances)(float own, const float* norms, std::int64_t n, float* products);
    // Counts each of n distances in counts[number of marks below it], but for those that it cannot tell from a mark
    // and those that are not finite: their places go to `open` [n], their number is returned, and counted in
    // counts[table.nowhere()].
    std::int64_t (*place)(const RankTable& table, const float* distances, std::int64_t n, std::uint32_t* counts,
                          std::uint32_t* open);
};

extern const SingleProduct single_product_scalar;
extern const SingleProduct single_product_neon;
extern const SingleProduct single_product_avx2;
extern const SingleProduct single_product_avx512;

const SingleProduct& single_product(Isa isa);

constexpr std::int64_t kSingleMaximum = std::int64_t{1} << 16;  // largest d that the bound is proven for
constexpr double kSingleLeast = 0x1p-147;

// Of a distance, as a share of X + Y.
inline double single_error(const SingleProduct& product, std::int64_t d) {
    const std::int64_t chunk = std::min(padded(d), kProductColumns);
    const std::int64_t chunks = (padded(d) + kProductColumns - 1) / kProductColumns;
    return 1.02 * (static_cast<double>(chunk) / product.lanes + product.folds + static_cast<double>(chunks) + 14.0) *
           0x1p-24;
}

}  // namespace rsir
