#include <immintrin.h>

#include "kernels/cpu/single_distance_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 16;
    using Floats = __m512;

    static Floats zero() { return _mm512_setzero_ps(); }
    static Floats load(const float* p) { return _mm512_loadu_ps(p); }
    static Floats load(const Float16* p) { return _mm512_maskz_cvtph_ps(0xffff, load_bits(p)); }
    static Floats load(const BFloat16* p) {
        return _mm512_castsi512_ps(
            _mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, load_bits(p)), 16));
    }
    static void store(float* p, Floats a) { _mm512_storeu_ps(p, a); }
    static Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
    static Floats add_product(Floats sum, Floats a, Floats b) { return _mm512_fmadd_ps(a, b, sum); }

    static void fold(const float (*lanes)[kWidth], float* out) {
        for (int p = 0; p < kWidth; p += 4) {
            const __m128 a = fold_two(lanes[p]), b = fold_two(lanes[p + 1]);
            const __m128 c = fold_two(lanes[p + 2]), d = fold_two(lanes[p + 3]);
            _mm_storeu_ps(out + p, _mm_hadd_ps(_mm_hadd_ps(a, b), _mm_hadd_ps(c, d)));
        }
    }

  private:
    static __m256i load_bits(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
    static __m128 fold_two(const float* p) {
        const __m256 half = _mm256_add_ps(_mm256_load_ps(p), _mm256_load_ps(p + 8));
        return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    }
};

using BestTile = SingleTile<Vector, 4, 6>;

}  // namespace

const SingleDistance single_distance_avx512 = {
    "avx512", 4, 6, BestTile::kCapacity, Vector::kWidth, pack_single<Vector>, BestTile::run,
};

}  // namespace rsir
