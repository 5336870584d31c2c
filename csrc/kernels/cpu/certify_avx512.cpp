#include <cmath>
#include <cstring>

#include "kernels/cpu/certify.h"
#include "kernels/cpu/immintrin_avx512.h"

namespace rsir {
namespace {

#include "kernels/cpu/certify_avx512.h"
#include "kernels/cpu/certify_common.h"
#include "kernels/cpu/certify_quantize.h"
#include "kernels/cpu/certify_queries.h"

// One step of 16 rows. Written as assembly because GCC 12 moves the accumulators of _mm512_dpbusd_epi32 through memory.
struct Int8 {
    static inline void dot(__m512i& sums, __m512i panel, __m512i codes) {
        asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(panel), "v"(codes));
    }
};
struct Int16 {
    static inline void dot(__m512i& sums, __m512i panel, __m512i codes) {
        asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(panel), "v"(codes));
    }
};

constexpr unsigned kMostGroups = 4;

// Q queries x G panels of 16 rows; U sums side by side where there are too few to hide the latency of vpdpbusd.
template <class Product, int Q, int G, int U>
void tile(const Panels& panels, const std::uint32_t* chosen, const float* excess, const std::int8_t* codes,
          Candidates* const* queries) {
    const std::int64_t steps = panels.steps;
    __m512i sums[U][Q][G];
#pragma GCC unroll 32
    for (int u = 0; u < U; ++u) {
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) {
                sums[u][q][g] = u == 0 ? _mm512_set1_epi32(queries[q]->start) : _mm512_setzero_si512();
            }
        }
    }
    const std::uint8_t* panel[G];
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) panel[g] = panels.codes + chosen[g] * (steps * 64);
    const std::int64_t panel_bytes = steps * 64, ahead = G * panel_bytes > 16384 ? G * panel_bytes : 16384;
    std::int64_t step = 0;
    const auto advance = [&](int u, std::int64_t at) __attribute__((always_inline)) {
        __m512i rows[G];
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
            rows[g] = _mm512_load_si512(panel[g] + at * 64);
            // What follows one stream is fetched by the machine itself.
            if (G > 1) __builtin_prefetch(panel[g] + at * 64 + ahead, 0, 2);
        }
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            std::int32_t four;
            std::memcpy(&four, codes + (at * Q + q) * 4, sizeof four);
            const __m512i broadcast = _mm512_set1_epi32(four);
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) Product::dot(sums[u][q][g], rows[g], broadcast);
        }
    };
    for (; step + U <= steps; step += U) {
#pragma GCC unroll 8
        for (int u = 0; u < U; ++u) advance(u, step + u);
    }
    for (; step < steps; ++step) advance(0, step);

    // Which pass is hard to foresee: first all tests, without a branch, then one loop over those that passed.
    alignas(64) float estimates[Q][kMostGroups][16];
    std::uint16_t passed[Q][kMostGroups];
    std::uint32_t any = 0;
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
        const RowTest test(panels, chosen[g], excess + 16 * g);
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            const Candidates& query = *queries[q];
            __m512i total = sums[0][q][g];
            for (int u = 1; u < U; ++u) total = _mm512_add_epi32(total, sums[u][q][g]);
            const __m512 estimate = test.estimate(total, query);
            const __mmask16 found = test.passed(estimate, query);
            _mm512_store_ps(estimates[q][g], estimate);
            passed[q][g] = static_cast<std::uint16_t>(found);
            any |= std::uint32_t{found != 0} << (q * kMostGroups + g);
        }
    }
    for (; any != 0; any &= any - 1) {
        const unsigned at = static_cast<unsigned>(__builtin_ctz(any)), q = at / kMostGroups, g = at % kMostGroups;
        append(*queries[q], chosen[g], passed[q][g], _mm512_load_ps(estimates[q][g]));
    }
}

// One or two queries are bound by memory, which comes fastest as one stream, where panels are not too short for that.
std::int64_t tile_groups(std::int64_t count, std::int64_t steps) { return count > 2 ? 3 : steps > 32 ? 1 : 4; }

template <class Product, int Q, int G, int U>
void tiles(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const float* excess,
           const std::int8_t* codes, Candidates* const* queries) {
    if (groups == G) return tile<Product, Q, G, U>(panels, chosen, excess, codes, queries);
    for (std::int64_t g = 0; g < groups; ++g) {
        tile<Product, Q, 1, Q <= 2 ? 4 : 2>(panels, chosen + g, excess + 16 * g, codes, queries);
    }
}

template <class Product>
void tile_of(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const float* excess,
             const std::int8_t* codes, std::int64_t count, Candidates* const* queries) {
    constexpr decltype(&tiles<Product, 1, 4, 2>) kRuns[] = {
        tiles<Product, 1, 4, 2>, tiles<Product, 2, 4, 2>, tiles<Product, 3, 3, 1>, tiles<Product, 4, 3, 1>,
        tiles<Product, 5, 3, 1>, tiles<Product, 6, 3, 1>, tiles<Product, 7, 3, 1>, tiles<Product, 8, 3, 1>};
    kRuns[count - 1](panels, chosen, groups, excess, codes, queries);
}

// Q queries x G panels, some of the steps.
template <class Product, int Q, int G>
void sums_tile(const Panels& panels, std::int64_t panel, std::int64_t first, std::int64_t last,
               const std::int8_t* codes, std::int32_t* out, std::int64_t stride) {
    __m512i sums[Q][G];
    const std::uint8_t* rows = panels.codes + panel * panels.steps * 64;
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) sums[q][g] = _mm512_loadu_si512(out + q * stride + 16 * g);
    }
    for (std::int64_t step = first; step < last; ++step) {
        __m512i row[G];
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) row[g] = _mm512_load_si512(rows + (g * panels.steps + step) * 64);
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            std::int32_t four;
            std::memcpy(&four, codes + (step * Q + q) * 4, sizeof four);
            const __m512i broadcast = _mm512_set1_epi32(four);
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) Product::dot(sums[q][g], row[g], broadcast);
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) _mm512_storeu_si512(out + q * stride + 16 * g, sums[q][g]);
    }
}

template <class Product, int Q>
void sums_tiles(const Panels& panels, std::int64_t panel, std::int64_t groups, std::int64_t first, std::int64_t last,
                const std::int8_t* codes, std::int32_t* sums, std::int64_t stride) {
    std::int64_t g = 0;
    for (; g + 3 <= groups; g += 3) {
        sums_tile<Product, Q, 3>(panels, panel + g, first, last, codes, sums + 16 * g, stride);
    }
    for (; g < groups; ++g) sums_tile<Product, Q, 1>(panels, panel + g, first, last, codes, sums + 16 * g, stride);
}

template <class Product>
void sums_of(const Panels& panels, std::int64_t panel, std::int64_t groups, std::int64_t first, std::int64_t last,
             const std::int8_t* codes, std::int64_t count, std::int32_t* sums, std::int64_t stride) {
    constexpr decltype(&sums_tiles<Product, 1>) kRuns[] = {
        sums_tiles<Product, 1>, sums_tiles<Product, 2>, sums_tiles<Product, 3>, sums_tiles<Product, 4>,
        sums_tiles<Product, 5>, sums_tiles<Product, 6>, sums_tiles<Product, 7>, sums_tiles<Product, 8>};
    kRuns[count - 1](panels, panel, groups, first, last, codes, sums, stride);
}

}  // namespace

const Certify certify_avx512 = {
    "avx512",
    {127, 8, 1, tile_groups, query_bytes, store_query, tile_of<Int8>, 1.0, sums_of<Int8>, 8},
    {0, 8, 1, tile_groups, query_bytes, store_query, tile_of<Int16>, 2.0, sums_of<Int16>, 8},
    centre,
    quantize8,
    quantize16,
    select,
    widest,
    filter,
    test_rows,
    test_pairs};

}  // namespace rsir
