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
// Quantisation (quantize): v = float(y - mean), p = float(v - float(s c)). The two roundings before p are at most
// 2^-24 (|v| + |s c|), so the true residual has norm <= |p| (1 + 2^-23) + 2^-22 |v|, and a float32 sum of squares is
// off by less than 2^-9 of itself for d <= 2^16. Squares below 2^-149 are lost: another sqrt(d) 2^-74.
#pragma once

#include <cstdint>

#include "kernels/context.h"

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

// A precision of codes on one instruction set. Panels hold 4 bytes of each of 16 rows a step: four int8 codes + 128, or
// two int16 codes.
struct Codes {
    std::int32_t query_limit;  // largest |code| of a query, int8 only
    std::int64_t max_queries;  // of a tile
    // Panels of so many steps that the tile for `count` queries scores at once.
    std::int64_t (*tile_groups)(std::int64_t count, std::int64_t steps);
    // Scores `count` queries (codes [steps][count][4 bytes]) against `groups` <= tile_groups(count, steps) panels and
    // appends the rows that pass test (3). scale, excess, radius: of the first row, whose id is `first`.
    void (*tile)(const std::uint8_t* panels, std::int64_t groups, std::int64_t steps, const std::int8_t* codes,
                 std::int64_t count, Candidates* const* queries, const float* scale, const float* excess,
                 const float* radius, std::uint32_t first);
    double cost;  // of a tile, relative to the best int8 tile
};

// What one instruction set contributes.
struct Certify {
    const char* isa;
    Codes int8, int16;
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
};

extern const Certify certify_scalar;
extern const Certify certify_neon;
extern const Certify certify_neon_dot;
extern const Certify certify_avx2;
extern const Certify certify_avx2_vnni;
extern const Certify certify_avx512;

const Certify& certify_for(Isa isa);

}  // namespace rsir
