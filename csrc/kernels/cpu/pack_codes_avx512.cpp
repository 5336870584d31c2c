#include <immintrin.h>

#include "kernels/cpu/pack_codes_isa.h"

namespace rsir {
namespace {

void pack_float(const float* values, std::int64_t bytes, std::uint8_t* codes) {
    for (std::int64_t i = 0; i < bytes; ++i) {
        const __m256 positive = _mm256_cmp_ps(_mm256_loadu_ps(values + 8 * i), _mm256_setzero_ps(), _CMP_GT_OQ);
        codes[i] = static_cast<std::uint8_t>(_mm256_movemask_ps(positive));
    }
}

void pack_double(const double* values, std::int64_t bytes, std::uint8_t* codes) {
    for (std::int64_t i = 0; i < bytes; ++i) {
        const __m256d low = _mm256_cmp_pd(_mm256_loadu_pd(values + 8 * i), _mm256_setzero_pd(), _CMP_GT_OQ);
        const __m256d high = _mm256_cmp_pd(_mm256_loadu_pd(values + 8 * i + 4), _mm256_setzero_pd(), _CMP_GT_OQ);
        codes[i] = static_cast<std::uint8_t>(_mm256_movemask_pd(low) | (_mm256_movemask_pd(high) << 4));
    }
}

}  // namespace

const PackBytes pack_bytes_avx512 = {"avx512", pack_float, pack_double};

}  // namespace rsir
