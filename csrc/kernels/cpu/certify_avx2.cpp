#include <immintrin.h>

#include <cmath>
#include <cstring>

#include "kernels/cpu/certify.h"

namespace rsir {
namespace {

#include "kernels/cpu/certify_avx2.h"
#include "kernels/cpu/certify_common.h"
#include "kernels/cpu/certify_quantize.h"
#include "kernels/cpu/certify_queries.h"

// One step of the two halves of a panel. kMost queries have their sums, and what a step needs besides, in the 16
// registers: written as assembly because GCC 12 moves some of them through memory.
//
// vpmaddubsw adds two products in 16 bits, which is why the codes of queries stay within 63: 2 * 255 * 63 < 2^15.
struct Int8 {
    static constexpr int kMost = 5;
    static inline void dot(__m256i (&sums)[2], __m256i low, __m256i high, __m256i codes) {
        __m256i pairs;
        asm("vpmaddubsw %3, %4, %2\n\t"
            "vpmaddubsw %3, %5, %3\n\t"
            "vpmaddwd %6, %2, %2\n\t"
            "vpmaddwd %6, %3, %3\n\t"
            "vpaddd %2, %0, %0\n\t"
            "vpaddd %3, %1, %1"
            : "+x"(sums[0]), "+x"(sums[1]), "=&x"(pairs), "+x"(codes)
            : "x"(low), "x"(high), "x"(_mm256_set1_epi16(1)));
    }
};
struct Int16 {
    static constexpr int kMost = 6;
    static inline void dot(__m256i (&sums)[2], __m256i low, __m256i high, __m256i codes) {
        __m256i products;
        asm("vpmaddwd %3, %4, %2\n\t"
            "vpmaddwd %3, %5, %3\n\t"
            "vpaddd %2, %0, %0\n\t"
            "vpaddd %3, %1, %1"
            : "+x"(sums[0]), "+x"(sums[1]), "=&x"(products), "+x"(codes)
            : "x"(low), "x"(high));
    }
};
// AVX-VNNI.
struct Int8Vnni {
    static constexpr int kMost = 6;
    static inline void dot(__m256i (&sums)[2], __m256i low, __m256i high, __m256i codes) {
        asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums[0]) : "x"(low), "x"(codes));
        asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums[1]) : "x"(high), "x"(codes));
    }
};
struct Int16Vnni {
    static constexpr int kMost = 6;
    static inline void dot(__m256i (&sums)[2], __m256i low, __m256i high, __m256i codes) {
        asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums[0]) : "x"(low), "x"(codes));
        asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums[1]) : "x"(high), "x"(codes));
    }
};

inline __m256i load(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
inline __m256i load_any(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
inline void store_any(void* to, __m256i vector) { _mm256_storeu_si256(static_cast<__m256i*>(to), vector); }

// Adds the products of some steps to the sums of Q queries; `panel` and `codes` are those of the first step.
template <class Product, int Q>
inline void add_products(__m256i (&sums)[Q][2], const std::uint8_t* panel, const std::int8_t* codes,
                         std::int64_t steps) {
#pragma GCC unroll 1
    for (const std::uint8_t* end = panel + steps * 64; panel != end; panel += 64, codes += 4 * Q) {
        const __m256i low = load(panel), high = load(panel + 32);
#pragma GCC unroll 8
        for (int q = 0; q < Q; ++q) {
            std::int32_t four;
            std::memcpy(&four, codes + 4 * q, sizeof four);
            Product::dot(sums[q], low, high, _mm256_set1_epi32(four));
        }
    }
}

template <class Product, int Q>
void tile(const Panels& panels, std::uint32_t number, const float* excess, const std::int8_t* codes,
          Candidates* const* queries) {
    __m256i sums[Q][2];
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) sums[q][0] = sums[q][1] = _mm256_set1_epi32(queries[q]->start);
    add_products<Product, Q>(sums, panels.codes + number * (panels.steps * 64), codes, panels.steps);

    // Which pass is hard to foresee: first all tests, without a branch, then one loop over those that passed.
    alignas(32) float estimates[Q][kGroup];
    unsigned passed[Q], any = 0;
    const RowTest low(panels, std::int64_t{number} * kGroup, excess),
        high(panels, std::int64_t{number} * kGroup + 8, excess + 8);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
        const Candidates& query = *queries[q];
        const __m256 first = low.estimate(sums[q][0], query), second = high.estimate(sums[q][1], query);
        _mm256_store_ps(estimates[q], first);
        _mm256_store_ps(estimates[q] + 8, second);
        passed[q] = low.passed(first, query) | high.passed(second, query) << 8;
        any |= unsigned{passed[q] != 0} << q;
    }
    for (; any != 0; any &= any - 1) {
        const int q = __builtin_ctz(any);
        append(*queries[q], number, passed[q], estimates[q]);
    }
}

std::int64_t tile_groups(std::int64_t, std::int64_t) { return 1; }

template <class Product>
void tile_of(const Panels& panels, const std::uint32_t* chosen, std::int64_t, const float* excess,
             const std::int8_t* codes, std::int64_t count, Candidates* const* queries) {
    constexpr decltype(&tile<Product, 1>) kRuns[] = {tile<Product, 1>, tile<Product, 2>, tile<Product, 3>,
                                                     tile<Product, 4>, tile<Product, 5>, tile<Product, Product::kMost>};
    kRuns[count - 1](panels, *chosen, excess, codes, queries);
}

// One panel, some of the steps.
template <class Product, int Q>
void sums_tile(const std::uint8_t* panel, std::int64_t steps, const std::int8_t* codes, std::int32_t* out,
               std::int64_t stride) {
    __m256i sums[Q][2];
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
        sums[q][0] = load_any(out + q * stride);
        sums[q][1] = load_any(out + q * stride + 8);
    }
    add_products<Product, Q>(sums, panel, codes, steps);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
        store_any(out + q * stride, sums[q][0]);
        store_any(out + q * stride + 8, sums[q][1]);
    }
}

template <class Product>
void sums_of(const Panels& panels, std::int64_t panel, std::int64_t groups, std::int64_t first, std::int64_t last,
             const std::int8_t* codes, std::int64_t count, std::int32_t* sums, std::int64_t stride) {
    constexpr decltype(&sums_tile<Product, 1>) kRuns[] = {sums_tile<Product, 1>, sums_tile<Product, 2>,
                                                          sums_tile<Product, 3>, sums_tile<Product, 4>,
                                                          sums_tile<Product, 5>, sums_tile<Product, Product::kMost>};
    for (std::int64_t g = 0; g < groups; ++g) {
        kRuns[count - 1](panels.codes + ((panel + g) * panels.steps + first) * 64, last - first,
                         codes + first * count * 4, sums + kGroup * g, stride);
    }
}

void test_rows(const std::int32_t* sums, const Panels& panels, std::uint32_t panel, const float* excess,
               Candidates& query) {
    alignas(32) float estimates[kGroup];
    unsigned passed = 0;
    for (int half = 0; half < kGroup; half += 8) {
        const RowTest test(panels, std::int64_t{panel} * kGroup + half, excess + half);
        const __m256 found = test.estimate(load_any(sums + half), query);
        _mm256_store_ps(estimates + half, found);
        passed |= test.passed(found, query) << half;
    }
    append(query, panel, passed, estimates);
}

void test_pairs(const std::int32_t* sums, std::int64_t stride, const PairNumbers& numbers, std::int64_t first,
                std::int64_t count, std::int64_t panel, std::uint16_t* as_query, std::uint16_t* as_row,
                float* estimates) {
    for (int half = 0; half < kGroup; half += 8) {
        const auto of_panel = [at = kGroup * panel + half](const float* all) { return _mm256_loadu_ps(all + at); };
        const auto at_least = [half](__m256 bound, __m256 cutoff) {
            return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(bound, cutoff, _CMP_GE_OQ))) << half;
        };
        const __m256 slope = of_panel(numbers.slope), reach = of_panel(numbers.reach),
                     cutoff = of_panel(numbers.cutoff), scale = of_panel(numbers.scale),
                     radius = of_panel(numbers.radius), excess = of_panel(numbers.excess);
        for (std::int64_t i = 0; i < count; ++i) {
            const auto of_row = [row = first + i](const float* all) { return _mm256_set1_ps(all[row]); };
            const __m256 product = _mm256_cvtepi32_ps(load_any(sums + i * stride + half));
            const __m256 own = _mm256_fnmadd_ps(_mm256_mul_ps(product, scale), of_row(numbers.slope), excess);
            const __m256 other =
                _mm256_fnmadd_ps(_mm256_mul_ps(product, of_row(numbers.scale)), slope, of_row(numbers.excess));
            const unsigned query =
                at_least(_mm256_fmsub_ps(of_row(numbers.reach), radius, own), of_row(numbers.cutoff));
            const unsigned row = at_least(_mm256_fmsub_ps(reach, of_row(numbers.radius), other), cutoff);
            as_query[i] = static_cast<std::uint16_t>(half == 0 ? query : as_query[i] | query);
            as_row[i] = static_cast<std::uint16_t>(half == 0 ? row : as_row[i] | row);
            _mm256_storeu_ps(estimates + kGroup * i + half, other);
        }
    }
}

// A product of two rows serves both where both are queries by the codes that they have as rows.
template <class Product, bool serves_both>
constexpr Codes codes_of(std::int32_t query_limit, double cost) {
    return {query_limit,      Product::kMost, 1,
            tile_groups,      query_bytes,    store_query,
            tile_of<Product>, cost,           serves_both ? sums_of<Product> : nullptr,
            Product::kMost};
}

}  // namespace

const Certify certify_avx2 = {"avx2",
                              codes_of<Int8, false>(63, 2.0),
                              codes_of<Int16, true>(0, 2.5),
                              centre,
                              quantize8,
                              quantize16,
                              select,
                              widest,
                              filter,
                              test_rows,
                              test_pairs};
const Certify certify_avx2_vnni = {"avx2",
                                   codes_of<Int8Vnni, true>(127, 1.0),
                                   codes_of<Int16Vnni, true>(0, 2.0),
                                   centre,
                                   quantize8,
                                   quantize16,
                                   select,
                                   widest,
                                   filter,
                                   test_rows,
                                   test_pairs};

}  // namespace rsir
