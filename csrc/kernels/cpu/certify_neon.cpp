#include <arm_neon.h>

#include <cmath>
#include <cstring>

#include "kernels/cpu/certify.h"

namespace rsir {
namespace {

#include "kernels/cpu/certify_append.h"
#include "kernels/cpu/certify_candidates.h"
#include "kernels/cpu/certify_common.h"
#include "kernels/cpu/certify_quantize.h"
#include "kernels/cpu/certify_queries.h"

// One step of four rows. Panels of int8 codes hold codes + 128; the sign bit makes them signed again.
struct Int8 {
    static inline int8x16_t load(const std::uint8_t* panel) {
        return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(panel), vdupq_n_u8(0x80)));
    }
    static inline void dot(int32x4_t& sums, int8x16_t rows, int8x16_t four) {
        const int16x8_t low = vmull_s8(vget_low_s8(rows), vget_low_s8(four));
        const int16x8_t high = vmull_s8(vget_high_s8(rows), vget_high_s8(four));
        // Two products of codes within 127 fit 16 bits.
        sums = vpadalq_s16(sums, vpaddq_s16(low, high));
    }
};
struct Int8Dot : Int8 {
    static inline void dot(int32x4_t& sums, int8x16_t rows, int8x16_t four) {
        asm(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(rows), "w"(four));
    }
};
struct Int16 {
    static inline int8x16_t load(const std::uint8_t* panel) { return vreinterpretq_s8_u8(vld1q_u8(panel)); }
    static inline void dot(int32x4_t& sums, int8x16_t rows, int8x16_t two) {
        const int16x8_t a = vreinterpretq_s16_s8(rows), b = vreinterpretq_s16_s8(two);
        const int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
        const int32x4_t high = vmull_s16(vget_high_s16(a), vget_high_s16(b));
        sums = vaddq_s32(sums, vpaddq_s32(low, high));
    }
};

template <class Product, int Q>
void tile(const Panels& panels, std::uint32_t number, const float* excess, const std::int8_t* codes,
          Candidates* const* queries) {
    const std::int64_t steps = panels.steps;
    const std::uint8_t* panel = panel_of(panels, number);
    int32x4_t sums[Q][4];
    for (int q = 0; q < Q; ++q) {
        for (int v = 0; v < 4; ++v) sums[q][v] = vdupq_n_s32(0);  // signed codes on both sides: nothing to start from
    }
    for (std::int64_t t = 0; t < steps; ++t) {
        int8x16_t rows[4];
        for (int v = 0; v < 4; ++v) rows[v] = Product::load(panel + t * 64 + 16 * v);
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            std::int32_t four;
            std::memcpy(&four, codes + (t * Q + q) * 4, sizeof four);
            const int8x16_t broadcast = vreinterpretq_s8_s32(vdupq_n_s32(four));
            for (int v = 0; v < 4; ++v) Product::dot(sums[q][v], rows[v], broadcast);
        }
    }
    for (int q = 0; q < Q; ++q) {
        std::int32_t totals[kGroup];
        for (int v = 0; v < 4; ++v) vst1q_s32(totals + 4 * v, sums[q][v]);
        append(totals, *queries[q], panels, number, excess);
    }
}

std::int64_t tile_groups(std::int64_t, std::int64_t) { return 1; }

template <class Product>
void tile_of(const Panels& panels, const std::uint32_t* chosen, std::int64_t, const float* excess,
             const std::int8_t* codes, std::int64_t count, Candidates* const* queries) {
    constexpr decltype(&tile<Product, 1>) kRuns[] = {tile<Product, 1>, tile<Product, 2>, tile<Product, 3>,
                                                     tile<Product, 4>, tile<Product, 5>};
    kRuns[count - 1](panels, *chosen, excess, codes, queries);
}

}  // namespace

const Certify certify_neon = {"neon",
                              {127, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int8>, 4.0},
                              {0, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int16>, 8.0},
                              centre,
                              quantize8,
                              quantize16,
                              select,
                              widest,
                              filter};
const Certify certify_neon_dot = {"neon",
                                  {127, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int8Dot>, 1.0},
                                  {0, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int16>, 8.0},
                                  centre,
                                  quantize8,
                                  quantize16,
                                  select,
                                  widest,
                                  filter};

}  // namespace rsir
