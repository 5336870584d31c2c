#include <immintrin.h>

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

// One step of eight rows. vpmaddubsw adds two products in 16 bits, which is why the codes of queries stay within 63:
// 2 * 255 * 63 < 2^15.
struct Int8 {
    static inline void dot(__m256i& sums, __m256i panel, __m256i codes) {
        const __m256i pairs = _mm256_maddubs_epi16(panel, codes);
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
};
struct Int16 {
    static inline void dot(__m256i& sums, __m256i panel, __m256i codes) {
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(panel, codes));
    }
};
// AVX-VNNI.
struct Int8Vnni {
    static inline void dot(__m256i& sums, __m256i panel, __m256i codes) {
        asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(panel), "x"(codes));
    }
};
struct Int16Vnni {
    static inline void dot(__m256i& sums, __m256i panel, __m256i codes) {
        asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums) : "x"(panel), "x"(codes));
    }
};

template <class Product, int Q>
void tile(const Panels& panels, std::uint32_t number, const float* excess, const std::int8_t* codes,
          Candidates* const* queries) {
    const std::int64_t steps = panels.steps;
    const std::uint8_t* panel = panel_of(panels, number);
    __m256i sums[Q][2];
    for (int q = 0; q < Q; ++q) sums[q][0] = sums[q][1] = _mm256_set1_epi32(queries[q]->start);
    for (std::int64_t t = 0; t < steps; ++t) {
        const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + t * 64));
        const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + t * 64 + 32));
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            std::int32_t four;
            std::memcpy(&four, codes + (t * Q + q) * 4, sizeof four);
            const __m256i broadcast = _mm256_set1_epi32(four);
            Product::dot(sums[q][0], low, broadcast);
            Product::dot(sums[q][1], high, broadcast);
        }
    }
    for (int q = 0; q < Q; ++q) {
        alignas(32) std::int32_t totals[kGroup];
        _mm256_store_si256(reinterpret_cast<__m256i*>(totals), sums[q][0]);
        _mm256_store_si256(reinterpret_cast<__m256i*>(totals + 8), sums[q][1]);
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

const Certify certify_avx2 = {"avx2",
                              {63, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int8>, 2.0},
                              {0, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int16>, 2.7},
                              centre,
                              quantize8,
                              quantize16,
                              select,
                              widest,
                              filter};
const Certify certify_avx2_vnni = {"avx2",
                                   {127, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int8Vnni>, 1.0},
                                   {0, 5, 1, tile_groups, query_bytes, store_query, tile_of<Int16Vnni>, 2.0},
                                   centre,
                                   quantize8,
                                   quantize16,
                                   select,
                                   widest,
                                   filter};

}  // namespace rsir
