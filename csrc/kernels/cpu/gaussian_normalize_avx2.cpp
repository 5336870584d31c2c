#include <immintrin.h>

#include "kernels/cpu/gaussian_normalize_loops.h"

namespace rsir {
namespace {

struct Vector {
    using Type = __m256d;
    static constexpr std::int64_t kWidth = 4;
    static constexpr bool kStreams = true;

    static Type load(const float* from) { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }
    static Type load(const double* from) { return _mm256_loadu_pd(from); }
    static Type zero() { return _mm256_setzero_pd(); }
    static Type set(double value) { return _mm256_set1_pd(value); }
    static Type add(Type a, Type b) { return _mm256_add_pd(a, b); }
    static Type sub(Type a, Type b) { return _mm256_sub_pd(a, b); }
    static Type mul(Type a, Type b) { return _mm256_mul_pd(a, b); }
    static double fold(Type lanes) {
        const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(lanes), _mm256_extractf128_pd(lanes, 1));
        return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
    }
    static Type quiet(Type value) {
        return _mm256_blendv_pd(value, _mm256_set1_pd(kNaN), _mm256_cmp_pd(value, value, _CMP_UNORD_Q));
    }
    static void put(double* to, Type value) { _mm256_storeu_pd(to, value); }
    static void store(float* to, Type value) { _mm_storeu_ps(to, _mm256_cvtpd_ps(value)); }
    static void stream(float* to, Type value) { _mm_stream_ps(to, _mm256_cvtpd_ps(value)); }
    static void fence() { _mm_sfence(); }
};

}  // namespace

const GaussianPasses gaussian_passes_avx2 = gaussian_passes<Vector>("avx2");

}  // namespace rsir
