#include <immintrin.h>

#include "kernels/cpu/euclidean_topk_isa.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

double squared_distance(const double* a, const double* b, std::int64_t size) {
    constexpr int kVectors = kLanes / 4;
    __m256d sums[kVectors];
    for (int v = 0; v < kVectors; ++v) sums[v] = _mm256_setzero_pd();
    for (std::int64_t i = 0; i < size; i += kLanes) {
        for (int v = 0; v < kVectors; ++v) {
            const __m256d difference = _mm256_sub_pd(_mm256_loadu_pd(a + i + 4 * v), _mm256_loadu_pd(b + i + 4 * v));
            sums[v] = _mm256_add_pd(sums[v], _mm256_mul_pd(difference, difference));
        }
    }
    alignas(32) double lanes[kLanes];
    for (int v = 0; v < kVectors; ++v) _mm256_store_pd(lanes + 4 * v, sums[v]);
    return fold_lanes(lanes);
}

}  // namespace

const SquaredDistance squared_distance_avx512 = {"avx512", squared_distance};

}  // namespace rsir
