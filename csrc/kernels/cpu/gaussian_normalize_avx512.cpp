#include <immintrin.h>

#include "kernels/cpu/gaussian_normalize_isa.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

constexpr int kVectors = kLanes / 4;

double fold(const __m256d* sums) {
    alignas(32) double lanes[kLanes];
    for (int v = 0; v < kVectors; ++v) _mm256_store_pd(lanes + 4 * v, sums[v]);
    return fold_lanes(lanes);
}

double sum(const double* row, std::int64_t size) {
    __m256d sums[kVectors];
    for (int v = 0; v < kVectors; ++v) sums[v] = _mm256_setzero_pd();
    for (std::int64_t i = 0; i < size; i += kLanes) {
        for (int v = 0; v < kVectors; ++v) sums[v] = _mm256_add_pd(sums[v], _mm256_loadu_pd(row + i + 4 * v));
    }
    return fold(sums);
}

double centre(double* row, std::int64_t d, std::int64_t size, double mu) {
    const __m256d mean = _mm256_set1_pd(mu);
    __m256d sums[kVectors];
    for (int v = 0; v < kVectors; ++v) sums[v] = _mm256_setzero_pd();
    for (std::int64_t i = 0; i < size; i += kLanes) {
        for (int v = 0; v < kVectors; ++v) {
            _mm256_storeu_pd(row + i + 4 * v, _mm256_sub_pd(_mm256_loadu_pd(row + i + 4 * v), mean));
        }
        for (std::int64_t j = d; j < size && i + kLanes == size; ++j) row[j] = 0.0;
        for (int v = 0; v < kVectors; ++v) {
            const __m256d value = _mm256_loadu_pd(row + i + 4 * v);
            sums[v] = _mm256_add_pd(sums[v], _mm256_mul_pd(value, value));
        }
    }
    return fold(sums);
}

void scale(const double* row, std::int64_t d, double factor, float* out) {
    const __m256d half = _mm256_set1_pd(0.5), by = _mm256_set1_pd(factor);
    std::int64_t i = 0;
    for (; i + 4 <= d; i += 4) {
        const __m256d value = _mm256_add_pd(half, _mm256_mul_pd(_mm256_loadu_pd(row + i), by));
        _mm_storeu_ps(out + i, _mm256_cvtpd_ps(value));
    }
    for (; i < d; ++i) out[i] = static_cast<float>(0.5 + row[i] * factor);
}

}  // namespace

const GaussianPasses gaussian_passes_avx512 = {"avx512", sum, centre, scale};

}  // namespace rsir
