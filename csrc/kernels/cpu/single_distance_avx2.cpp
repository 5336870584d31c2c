#include <immintrin.h>

#include "kernels/cpu/single_distance_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 8;
    using Floats = __m256;

    static Floats zero() { return _mm256_setzero_ps(); }
    static Floats load(const float* p) { return _mm256_loadu_ps(p); }
    static Floats load(const Float16* p) { return _mm256_cvtph_ps(load_bits(p)); }
    static Floats load(const BFloat16* p) {
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_bits(p)), 16));
    }
    static void store(float* p, Floats a) { _mm256_storeu_ps(p, a); }
    static Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
    static Floats add_product(Floats sum, Floats a, Floats b) { return _mm256_fmadd_ps(a, b, sum); }

    static void fold(const float (*lanes)[kWidth], float* out) {
        for (int p = 0; p < kWidth; p += 4) {
            const __m128 a = fold_two(lanes[p]), b = fold_two(lanes[p + 1]);
            const __m128 c = fold_two(lanes[p + 2]), d = fold_two(lanes[p + 3]);
            _mm_storeu_ps(out + p, _mm_hadd_ps(_mm_hadd_ps(a, b), _mm_hadd_ps(c, d)));
        }
    }

  private:
    static __m128i load_bits(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
    static __m128 fold_two(const float* p) { return _mm_add_ps(_mm_load_ps(p), _mm_load_ps(p + 4)); }
};

using BestTile = SingleTile<Vector, 4, 3>;

}  // namespace

const SingleDistance single_distance_avx2 = {
    "avx2", 4, 3, BestTile::kCapacity, Vector::kWidth, pack_single<Vector>, BestTile::run,
};

}  // namespace rsir
