#include "kernels/cpu/immintrin_avx512.h"
#include "kernels/cpu/pack_codes_isa.h"

namespace rsir {
namespace {

std::uint64_t positive(const float* values) {
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(values), _mm512_setzero_ps(), _CMP_GT_OQ);
}

std::uint64_t positive(const double* values) {
    return _mm512_cmp_pd_mask(_mm512_loadu_pd(values), _mm512_setzero_pd(), _CMP_GT_OQ);
}

void pack_float(const float* values, std::int64_t bytes, std::uint8_t* codes) {
    std::int64_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        const float* from = values + 8 * i;
        const std::uint64_t word =
            positive(from) | positive(from + 16) << 16 | positive(from + 32) << 32 | positive(from + 48) << 48;
        _mm_storeu_si64(codes + i, _mm_cvtsi64_si128(static_cast<long long>(word)));
    }
    for (; i < bytes; ++i) {
        const __mmask16 bits =
            _mm512_cmp_ps_mask(_mm512_maskz_loadu_ps(0xff, values + 8 * i), _mm512_setzero_ps(), _CMP_GT_OQ);
        codes[i] = static_cast<std::uint8_t>(bits);
    }
}

void pack_double(const double* values, std::int64_t bytes, std::uint8_t* codes) {
    for (std::int64_t i = 0; i < bytes; ++i) codes[i] = static_cast<std::uint8_t>(positive(values + 8 * i));
}

}  // namespace

const PackBytes pack_bytes_avx512 = {"avx512", pack_float, pack_double};

}  // namespace rsir
