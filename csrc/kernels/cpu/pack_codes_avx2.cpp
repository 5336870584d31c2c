#include <immintrin.h>

#include "kernels/cpu/pack_codes_isa.h"

namespace rsir {
namespace {

unsigned positive(const float* values) {
    const __m256 greater = _mm256_cmp_ps(_mm256_loadu_ps(values), _mm256_setzero_ps(), _CMP_GT_OQ);
    return static_cast<unsigned>(_mm256_movemask_ps(greater));
}

void pack_float(const float* values, std::int64_t bytes, std::uint8_t* codes) {
    std::int64_t i = 0;
    for (; i + 4 <= bytes; i += 4) {
        const float* from = values + 8 * i;
        const unsigned word =
            positive(from) | positive(from + 8) << 8 | positive(from + 16) << 16 | positive(from + 24) << 24;
        _mm_storeu_si32(codes + i, _mm_cvtsi32_si128(static_cast<int>(word)));
    }
    for (; i < bytes; ++i) codes[i] = static_cast<std::uint8_t>(positive(values + 8 * i));
}

void pack_double(const double* values, std::int64_t bytes, std::uint8_t* codes) {
    for (std::int64_t i = 0; i < bytes; ++i) {
        const __m256d low = _mm256_cmp_pd(_mm256_loadu_pd(values + 8 * i), _mm256_setzero_pd(), _CMP_GT_OQ);
        const __m256d high = _mm256_cmp_pd(_mm256_loadu_pd(values + 8 * i + 4), _mm256_setzero_pd(), _CMP_GT_OQ);
        codes[i] = static_cast<std::uint8_t>(_mm256_movemask_pd(low) | (_mm256_movemask_pd(high) << 4));
    }
}

}  // namespace

const PackBytes pack_bytes_avx2 = {"avx2", pack_float, pack_double};

}  // namespace rsir
