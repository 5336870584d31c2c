#include <immintrin.h>

#include "kernels/cpu/canonical_distance_lanes.h"

namespace rsir {
namespace {

// The forms with a mask, all of it set, are the plain instructions; GCC 12 warns of its own header's plain forms.
constexpr __mmask8 kAll = 0xff;

struct Vector {
    static constexpr int kWidth = 8;
    using Doubles = __m512d;

    static Doubles zero() { return _mm512_setzero_pd(); }
    static Doubles load(const double* p) { return _mm512_loadu_pd(p); }
    static Doubles load(const float* p) { return _mm512_maskz_cvtps_pd(kAll, _mm256_loadu_ps(p)); }
    static Doubles load(const Float16* p) {
        return _mm512_maskz_cvtps_pd(kAll, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
    }
    static Doubles load(const BFloat16* p) {
        const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        return _mm512_maskz_cvtps_pd(kAll, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)));
    }
    static void store(double* p, Doubles a) { _mm512_storeu_pd(p, a); }
    static Doubles add(Doubles a, Doubles b) { return _mm512_add_pd(a, b); }
    static Doubles subtract(Doubles a, Doubles b) { return _mm512_sub_pd(a, b); }
    // a * 1 is exact, so this is a - b rounded once; on Zen the multipliers do it while the adders are busy.
    static Doubles subtract_too(Doubles a, Doubles b) { return _mm512_fmsub_pd(a, _mm512_set1_pd(1.0), b); }
    static Doubles multiply(Doubles a, Doubles b) { return _mm512_mul_pd(a, b); }

    static void fold(const Doubles* v, double* out) {
        const Doubles even = fold_half(fold_quarter(v[0], v[2]), fold_quarter(v[4], v[6]));
        const Doubles odd = fold_half(fold_quarter(v[1], v[3]), fold_quarter(v[5], v[7]));
        store(out, add(_mm512_maskz_unpacklo_pd(kAll, even, odd), _mm512_maskz_unpackhi_pd(kAll, even, odd)));
    }

  private:
    // Lane j += lane j + 4 of both: the four sums of a, then those of b.
    static Doubles fold_quarter(Doubles a, Doubles b) {
        return add(_mm512_maskz_shuffle_f64x2(kAll, a, b, 0x44), _mm512_maskz_shuffle_f64x2(kAll, a, b, 0xee));
    }
    // Lane j += lane j + 2 of the four numbers that hold two sums of four each.
    static Doubles fold_half(Doubles ab, Doubles cd) {
        return add(_mm512_maskz_shuffle_f64x2(kAll, ab, cd, 0x88), _mm512_maskz_shuffle_f64x2(kAll, ab, cd, 0xdd));
    }
};

using BestTile = Tile<Vector, 4, 6>;

}  // namespace

const CanonicalDistance canonical_distance_avx512 = {
    "avx512", 4, 6, BestTile::kCapacity, pack<Vector>, BestTile::run, widen<Vector>, gather<Vector>,
};

}  // namespace rsir
