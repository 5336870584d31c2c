#include <immintrin.h>

#include "kernels/cpu/single_product_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 8;
    using Floats = __m256;

    static Floats zero() { return _mm256_setzero_ps(); }
    static Floats load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, Floats a) { _mm256_storeu_ps(p, a); }
    static Floats add_product(Floats sum, Floats a, Floats b) { return _mm256_fmadd_ps(a, b, sum); }

    static void fold(const float (*lanes)[kWidth], float* out) {
        for (int p = 0; p < kWidth; p += 4) {
            const __m128 a = fold_two(lanes[p]), b = fold_two(lanes[p + 1]);
            const __m128 c = fold_two(lanes[p + 2]), d = fold_two(lanes[p + 3]);
            _mm_storeu_ps(out + p, _mm_hadd_ps(_mm_hadd_ps(a, b), _mm_hadd_ps(c, d)));
        }
    }

  private:
    static __m128 fold_two(const float* p) { return _mm_add_ps(_mm_load_ps(p), _mm_load_ps(p + 4)); }
};

struct Marks {
    static std::uint32_t below(const std::uint32_t* marks, float distance) {
        const __m128 all = _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(marks)));
        const int below = _mm_movemask_ps(_mm_cmplt_ps(all, _mm_set1_ps(distance)));
        return static_cast<std::uint32_t>(__builtin_popcount(static_cast<std::uint32_t>(below)));
    }
};

using BestTile = SingleTile<Vector, 4, 3>;

}  // namespace

const SingleProduct single_product_avx2 = {
    "avx2",      4,    3,    BestTile::kCapacity, Vector::kWidth,      3, BestTile::run,
    store<4, 3>, turn, norm, distances,           place<settle<Marks>>};

}  // namespace rsir
