// Dot products in float32, with a proven bound on how far a distance formed from them is from the canonical one: the
// certify pass of exact ranks.
//
// With x and y as float32 after subtracting one vector from both (no distance changes), |x - y|^2 = X + Y - 2 <x, y>,
// X = |x|^2 and Y = |y|^2: half the operations of a sum of squared differences, and none of its terms twice where x
// and y change places. What is lost is relative to X + Y, not to the distance. With u = 2^-24, in units of u:
//   <x, y> is summed in chunks of kProductColumns columns, of each of which every lane rounds one fused sum an element,
//   folding rounds log2(lanes) times, and adding a chunk once. So what comes of element i is rounded
//   g(i) = (those of its lane from it on) + log2(lanes) + chunks times, and as 2 |x(i) y(i)| <= x(i)^2 + y(i)^2,
//   2 <x, y> is off by the sum of g(i) (x(i)^2 + y(i)^2);
//   X and Y are rounded to float32: 1 (X + Y); their sum: 1; the difference, at most 2 (X + Y): 2;
//   x and y were rounded: e = 1.01 u (|x| + |y|), and 2 e |x - y| + e^2 <= 2.03 u (|x| + |y|)^2 <= 4.1 u (X + Y): 4.1;
//   the canonical distance as float32 is within 1.01 u of the true one, at most 2 (X + Y): 2.1;
//   it is compared with marks as its value - w and + w, which are rounded, at most 2.1 (X + Y): 2.2.
// Together the sum of (g(i) + 12.4) (x(i)^2 + y(i)^2): one number of each row, its `off`, and w is the sum of two.
// single_weights counts g(i) + 14. What u^2 adds, and w and `off` in float32, is less than 2 %. Sums of subnormal
// numbers lose 2^-150 an operation besides: kSingleLeast an element.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

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
    // |x|^2, and in `weighted` the same of its elements times weights[i / kLanes]; size is a multiple of kLanes.
    double (*norm)(const float* x, std::int64_t size, const double* weights, double* weighted);
    // Turns n products with x into distances, `own` = X and norms[i] = Y of each.
    void (*distances)(float own, const float* norms, std::int64_t n, float* products);
    // Counts each of n distances in counts[number of marks below it], but for those that it cannot tell from a mark
    // and those that are not finite: their places go to `open` [n], their number is returned, and counted in
    // counts[table.nowhere()].
    std::int64_t (*place)(const RankTable& table, const RankWindow& window, const float* distances, std::int64_t n,
                          std::uint32_t* counts, std::uint32_t* open);
};

extern const SingleProduct single_product_scalar;
extern const SingleProduct single_product_neon;
extern const SingleProduct single_product_avx2;
extern const SingleProduct single_product_avx512;

const SingleProduct& single_product(Isa isa);

constexpr std::int64_t kSingleMaximum = std::int64_t{1} << 16;  // largest d that the bound is proven for
constexpr double kSingleLeast = 0x1p-147;

// What a row adds to the error of its distances: 1.02 u weights[i / kLanes] of the square of its element i, and half of
// kSingleLeast an element.
inline std::vector<double> single_weights(const SingleProduct& product, std::int64_t d) {
    const std::int64_t size = padded(d), chunks = (size + kProductColumns - 1) / kProductColumns;
    std::vector<double> weights;
    for (std::int64_t column = 0; column < size; column += kLanes) {
        const std::int64_t first = column / kProductColumns * kProductColumns;
        const std::int64_t left = std::min(kProductColumns, size - first) - (column - first);
        weights.push_back(static_cast<double>(left) / product.lanes + product.folds + static_cast<double>(chunks) +
                          14.0);
    }
    return weights;
}

constexpr double kSingleError = 1.02 * 0x1p-24;

}  // namespace rsir
