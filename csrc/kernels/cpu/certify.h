// Certify: which database rows can be among the k nearest of a query? Decided from int8 codes alone, with proof.
//
// Notation. x a query, y a row, both after subtracting one mean from all (no distance changes). x = x^ + r with
// x^ = s c, c integer codes, |r| <= rho, and s the least-squares scale of x on c, so that r is orthogonal to x^;
// likewise y. N = |x^|^2 = s^2 |c|^2, G = 2 <x^, y^> = 2 s_x s_y <c_x, c_y>, where <c_x, c_y> is exact in int32.
//
// Multiplying out, with <x^, r_x> = <y^, r_y> = 0:
//   (1)  |x - y|^2 = N_x + N_y - G  -  2 <x^, r_y> - 2 <y^, r_x>  +  |r_x - r_y|^2.
// For every number z, <x^, r_y> = <x^ - z y^, r_y> <= |x^ - z y^| rho_y; z = 0 and z = 1 give
//   (2)  |<x^, r_y>| <= min(|x^|, D) rho_y   and   |<y^, r_x>| <= min(|y^|, D) rho_x,   D = |x^ - y^|.
// So residuals count for no more than the smaller of the distance and the norms: tighter than the triangle inequality
// where neighbours are far apart, and than Cauchy-Schwarz on the norms where they are near.
//
// Let T be an upper bound of the true k-th smallest distance. If y is among the k nearest, |x - y| <= T, hence
// D <= T + rho_x + rho_y. With R and S the largest rho and |y^| of all rows, a = min(|x^|, T + rho_x + R) and, of the
// two bounds of |y^| or D, either b = S, g = 0 or b = T + rho_x, g = rho_x, (1) and (2) give, as |r_x - r_y|^2 >= 0,
//   (3)  G + 2 (a + g) rho_y - N_y  >=  N_x - T^2 - 2 b rho_x.
//
// (3) is evaluated in float32 as f >= C with
//   f = (float(<c_x,c_y>) s_y) slope + (reach rho_y - M_y),   slope = 2 s_x, reach = 2 (a + g), M_y = N_y, C = right
//   side.
// or, with two roundings less, reach rho_y - (M_y - (...) slope), both sums fused with their products.
// Float error of f: the conversion, the products, and the sums have a relative error of 2^-24 each, on terms bounded by
// |G| <= N_x + N_y, reach rho_y and N_y. The scales are least-squares for v (see below) to
// float32 only: 2 |<x^, r_x>| <= 2^-23 (|x^| + |v|) |x^| <= 2^-23 * 3.3 N_x even where rho is largest (6-bit codes,
// d = 2^16), likewise for y. In all less than 13 units of 2^-24, where the margins e N_x, e N_y and e reach rho_y,
// e = 2^-20, which C, M_y and reach give away, are 16. So (3) implies f >= C: no neighbour is lost. The same count for
// the bound that tighten() takes from estimates is 30 of its 32 units.
//
// T comes from rows already seen: by (1) and (2) each has |x - y|^2 <= D^2 + 2 a' rho_y + 2 b' rho_x + (rho_x +
// rho_y)^2 with a' = min(|x^|, D), b' = min(S, D), and any k of them bound the k-th distance. Estimates are N_y - G up
// to the margin 2 e (N_x + N_y), and N_y <= (|x^| + D)^2 <= 2 N_x + 2 D^2, so D^2 (1 - 4 e) <= estimate + N_x + 6 e
// N_x.
//
// Quantisation (quantize). Wanted: rho >= |x - s c|, for x = y - mean not rounded. u = 2^-24, d <= 2^16.
// v = float(x) is off by 2^-53 |x| at most from a float64 difference, and u |v| from rounding: |x - v| <= 1.01 u |v|,
// and 2^-150 an element where v is subnormal.
// The step t has at most 17 bits with int8 and 9 with int16, codes at most 7 and 15: t c is exact, and e = v - t c is
// rounded once, its square |e|^2 hence by 2 units of u.
// The products of <v, c> have 39 bits, exact in float64, and a lane adds m of them, m = size / lanes <= 2^14: <v, c> is
// off by less than (m + 4) 2^-53 |v| |c| < 2^-38 |v| |c|. |c|^2 < 2^31, so t |c|^2 (48 bits) is exact, and so is h = s
// - t: codes have the signs of v and are nearer than 0.51 to v / t, so 0.49 t <= s <= 1.51 t (or c = 0, where h drops
// out). For every s, be it least-squares or not,
//   (4)  |v - s c|^2 = |e|^2 - h (2 <e, c> - h |c|^2),   <e, c> = <v, c> - t |c|^2,
// whose error is of two parts.
//   |e|^2: a float32 sum of squares. Each passes 1 product, m - 1 sums of its lane and 4 across lanes, and e counts 2:
//     |e|^2 <= sum (1 - u)^-k, k = m + 6 <= 16390, and that is <= 1 + k u + 17 u as (k u)^2 / (1 - k u) <= 17 u.
//   2 h <v, c>: as s is <v, c> / |c|^2 up to 1.01 u, |h| |c| <= |e| + 1.1 u |v|, and the error of <v, c> counts
//     2^-37 |v| (|e| + 1.1 u |v|) <= 2^-26 |e|^2 + 2^-50 |v|^2 + 2^-60 |v|^2, by 2 a b <= a^2 + b^2.
//   The float64 operations of (4) themselves are off by 2^-49 (|e| + 1.1 u |v|)^2: nothing to these.
// So the factor 1 + (m + 32) u, of which m + 24 units are needed, covers what is proportional to |e|^2, and
// |v - s c| <= sqrt(left) + 1.01 * 2^-25 |v|. Together with |x - v|: |x - s c| <= sqrt(left) + 1.6 u |v|.
// Where (4) takes away more than half of |e|^2, this is true but wide: left is mostly the error of |e|^2. Then p =
// float(v - float(s c)) is summed instead: |v - s c| <= |p| (1 + u) + u |s c|, and the same factor covers the sum, with
// k = m + 4. Together with |x - v|: |x - s c| <= |p| + u |p| + u |s c| + 1.01 u |v|.
// In both cases |v| <= |s c| + |v - s c|: with q = sqrt(left) or the bound of |p|, rho = q + 4 u (|s c| + q) has what
// is asked, less than 2.1 u (|s c| + q), nearly twice. Squares below 2^-126 lose up to 2^-150 each: sqrt(d) 2^-75 of
// the norm; another sqrt(d) 2^-74 covers it, and subnormal v.
#pragma once

#include <cstdint>

#include "kernels/context.h"
#include "kernels/rows.h"

namespace rsir {

constexpr double kMargin = 0x1p-20;        // e above
constexpr float kLargest = 0x1p40f;        // elements beyond it make a row wild: its squares could overflow float32
constexpr std::int64_t kMaxTileRows = 64;  // a tile appends at most so many candidates a query

// One query's side of test (3), and the candidates found so far.
struct Candidates {
    float slope = 0;
    float reach = 0;
    float cutoff = 0;        // C
    std::int32_t start = 0;  // what the integer dot products start from
    std::int32_t count = 0;
    std::uint32_t* ids = nullptr;  // room for kMaxTileRows + 16 beyond every count that a tile begins with
    float* estimates = nullptr;    // M_y - G
};

// What one quantised vector is known by.
struct Code {
    float scale;       // s
    float radius;      // rho
    double norm;       // N = s^2 |c|^2
    std::int32_t sum;  // sum of the codes
    bool wild;
};

// What tiles read of a database: its panels, and of each row the numbers that its codes are known by.
struct Panels {
    const std::uint8_t* codes;  // [panels][steps][16 rows][4 bytes]
    std::int64_t steps;
    const float* scale;
    const float* radius;
};

// The numbers of test (3) of many rows that are queries and rows of the database, one array each.
struct PairNumbers {
    const float *slope, *reach, *cutoff;   // as a query,
    const float *scale, *radius, *excess;  // as a row
};

// A precision of codes on one instruction set. Panels hold 4 bytes of each of 16 rows a step: four int8 codes + 128, or
// two int16 codes.
struct Codes {
    std::int32_t query_limit;  // largest |code| of a query, int8 only
    std::int64_t max_queries;  // of a tile,
    std::int64_t unit;         // of which it takes so many at once
    // Panels of so many steps that the tile for `count` queries scores at once.
    std::int64_t (*tile_groups)(std::int64_t count, std::int64_t steps);
    // Where the tile expects the codes of `count` queries: how many bytes, and those of one query ([steps][4 bytes])
    // put there as number `place` of them. What no query fills has to be 0; a multiple of 64 is the fastest place.
    std::int64_t (*query_bytes)(std::int64_t count, std::int64_t steps);
    void (*store_query)(const std::uint8_t* query, std::int64_t steps, std::int64_t place, std::int64_t count,
                        std::int8_t* out);
    // Scores `count` queries, stored as store_query does, against `groups` <= tile_groups(count, steps) panels,
    // whose numbers are `chosen`, and appends the rows that pass test (3). excess: of the rows of the chosen panels,
    // panel after panel, so that it may be infinite for rows that are not wanted.
    void (*tile)(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const float* excess,
                 const std::int8_t* codes, std::int64_t count, Candidates* const* queries);
    double cost;  // of a tile, relative to the best int8 tile
    // Of a search of rows for themselves, where a product serves both: adds the products of `count` queries, a multiple
    // of `unit`, stored as store_query does, and `groups` panels from `panel` on, of steps first, ..., last - 1, to
    // sums [count, stride], 16 for each panel. Where `unit` is not 1, `first` and `last` are multiples of 32, or the
    // end. Null: this instruction set has none, or queries have other codes than rows.
    void (*sums)(const Panels& panels, std::int64_t panel, std::int64_t groups, std::int64_t first, std::int64_t last,
                 const std::int8_t* codes, std::int64_t count, std::int32_t* sums, std::int64_t stride) = nullptr;
    std::int64_t own_queries = 0;  // `count` of `sums` in a search: divides 48

    // How many times as fast as the best tile without a matrix of its own in the processor: 1 at least.
    std::int64_t times_faster() const {
        const double usual = query_limit != 0 ? 1 : 2;
        return cost >= usual ? 1 : static_cast<std::int64_t>(usual / cost);
    }
};

// What one instruction set contributes.
struct Certify {
    const char* isa;
    Codes int8, int16;
    // v [d] = row `row` - mean, or the row itself where mean is null.
    void (*centre)(const Rows& rows, std::int64_t row, const float* mean, float* v);
    // Codes of v with |code| <= limit (int8), or with |c|^2 < 2^31, so that by Cauchy-Schwarz no partial sum of a dot
    // product overflows int32 (int16). v and codes hold `size` elements, a multiple of 16; v is 0 beyond d.
    Code (*quantize8)(const float* v, std::int64_t d, std::int64_t size, std::int32_t limit, std::int8_t* codes);
    Code (*quantize16)(const float* v, std::int64_t d, std::int64_t size, std::int16_t* codes);
    // A value that at least `k` of the values do not exceed, and no more than k + k / 8 + 8 unless some are equal;
    // 1 <= k <= count.
    float (*select)(const float* values, std::int64_t count, std::int64_t k);
    // The largest radius of the candidates whose estimate is at most `bound`.
    float (*widest)(const Candidates& query, float bound, const float* radius);
    // Keeps the candidates that pass test (3) under the query's present cutoff.
    void (*filter)(Candidates& query, const float* radius);
    // With Codes::sums: appends those rows of a panel that pass test (3) of a query.
    void (*test_rows)(const std::int32_t* sums, const Panels& panels, std::uint32_t panel, const float* excess,
                      Candidates& query) = nullptr;
    // Of rows first, ..., first + count - 1 and the 16 of a panel, whose products are sums [count, stride], a bit for
    // each of the 16: as_query [count], whether it passes test (3) of the row; as_row [count], whether the row passes
    // its own, with estimates [count, 16].
    void (*test_pairs)(const std::int32_t* sums, std::int64_t stride, const PairNumbers& numbers, std::int64_t first,
                       std::int64_t count, std::int64_t panel, std::uint16_t* as_query, std::uint16_t* as_row,
                       float* estimates) = nullptr;
};

extern const Certify certify_scalar;
extern const Certify certify_neon;
extern const Certify certify_neon_dot;
extern const Certify certify_avx2;
extern const Certify certify_avx2_vnni;
extern const Certify certify_avx512;
extern const Certify certify_amx;

// Whether the system lets this process use tiles, asked once, and they multiply as they should: on a processor that has
// them.
bool amx_ready();

const Certify& certify_for(Isa isa);

}  // namespace rsir
