#include <immintrin.h>

#include "kernels/cpu/canonical_distance_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 4;
    using Doubles = __m256d;

    static Doubles zero() { return _mm256_setzero_pd(); }
    static Doubles load(const double* p) { return _mm256_loadu_pd(p); }
    static Doubles load(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
    static Doubles load(const Float16* p) {
        return _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
    }
    static Doubles load(const BFloat16* p) {
        const __m128i bits = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
        return _mm256_cvtps_pd(_mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(bits), 16)));
    }
    static void store(double* p, Doubles a) { _mm256_storeu_pd(p, a); }
    static Doubles add(Doubles a, Doubles b) { return _mm256_add_pd(a, b); }
    static Doubles subtract(Doubles a, Doubles b) { return _mm256_sub_pd(a, b); }
    // a * 1 is exact, so this is a - b rounded once; on Zen the multipliers do it while the adders are busy.
    static Doubles subtract_too(Doubles a, Doubles b) { return _mm256_fmsub_pd(a, _mm256_set1_pd(1.0), b); }
    static Doubles multiply(Doubles a, Doubles b) { return _mm256_mul_pd(a, b); }

    static void fold(const Doubles* v, double* out) {
        const Doubles even = fold_half(v[0], v[2]), odd = fold_half(v[1], v[3]);
        store(out, add(_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd)));
    }

  private:
    // Lane j += lane j + 2 of both: the two sums of a, then those of b.
    static Doubles fold_half(Doubles a, Doubles b) {
        return add(_mm256_permute2f128_pd(a, b, 0x20), _mm256_permute2f128_pd(a, b, 0x31));
    }
};

using BestTile = Tile<Vector, 4, 3>;

}  // namespace

const CanonicalDistance canonical_distance_avx2 = {
    "avx2", 4, 3, BestTile::kCapacity, pack<Vector>, BestTile::run, widen<Vector>, gather<Vector>,
};

}  // namespace rsir
