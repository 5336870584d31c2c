#include "kernels/cpu/gaussian_normalize_loops.h"
#include "kernels/cpu/immintrin_avx512.h"

namespace rsir {
namespace {

struct Vector {
    using Type = __m512d;
    static constexpr std::int64_t kWidth = 8;
    static constexpr bool kStreams = true;

    static Type load(const float* from) { return _mm512_cvtps_pd(_mm256_loadu_ps(from)); }
    static Type load(const double* from) { return _mm512_loadu_pd(from); }
    static Type zero() { return _mm512_setzero_pd(); }
    static Type set(double value) { return _mm512_set1_pd(value); }
    static Type add(Type a, Type b) { return _mm512_add_pd(a, b); }
    static Type sub(Type a, Type b) { return _mm512_sub_pd(a, b); }
    static Type mul(Type a, Type b) { return _mm512_mul_pd(a, b); }
    static double fold(Type lanes) {
        const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(lanes), _mm512_extractf64x4_pd(lanes, 1));
        const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
        return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
    }
    static Type quiet(Type value) {
        return _mm512_mask_mov_pd(value, _mm512_cmp_pd_mask(value, value, _CMP_UNORD_Q), _mm512_set1_pd(kNaN));
    }
    static void put(double* to, Type value) { _mm512_storeu_pd(to, value); }
    static void store(float* to, Type value) { _mm256_storeu_ps(to, _mm512_cvtpd_ps(value)); }
    static void stream(float* to, Type value) { _mm256_stream_ps(to, _mm512_cvtpd_ps(value)); }
    static void fence() { _mm_sfence(); }
};

}  // namespace

const GaussianPasses gaussian_passes_avx512 = gaussian_passes<Vector>("avx512");

}  // namespace rsir
