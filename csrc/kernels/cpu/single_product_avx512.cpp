#include <immintrin.h>

#include "kernels/cpu/single_product_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 16;
    using Floats = __m512;

    static Floats zero() { return _mm512_setzero_ps(); }
    static Floats load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, Floats a) { _mm512_storeu_ps(p, a); }
    static Floats add_product(Floats sum, Floats a, Floats b) { return _mm512_fmadd_ps(a, b, sum); }

    static void fold(const float (*lanes)[kWidth], float* out) {
        // Each four lanes are what is left of one vector: p, p + 4, p + 8, p + 12.
        __m512 quarters[4];
        for (int p = 0; p < 4; ++p) {
            const __m512 low = fold_half(load(lanes[p]), load(lanes[p + 4]));
            const __m512 high = fold_half(load(lanes[p + 8]), load(lanes[p + 12]));
            quarters[p] = add(_mm512_maskz_shuffle_f32x4(kAll, low, high, 0x88),
                              _mm512_maskz_shuffle_f32x4(kAll, low, high, 0xdd));
        }
        const __m512 even = fold_pair(quarters[0], quarters[1]), odd = fold_pair(quarters[2], quarters[3]);
        store(out, add(_mm512_maskz_shuffle_ps(kAll, even, odd, 0x44), _mm512_maskz_shuffle_ps(kAll, even, odd, 0xee)));
    }

  private:
    // The forms with a mask, all of it set, are the plain instructions; GCC 12 warns of its own header's plain forms.
    static constexpr __mmask16 kAll = 0xffff;

    static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
    // Lane j += lane j + 8 of both: the eight sums of a, then those of b.
    static Floats fold_half(Floats a, Floats b) {
        return add(_mm512_maskz_shuffle_f32x4(kAll, a, b, 0x44), _mm512_maskz_shuffle_f32x4(kAll, a, b, 0xee));
    }
    // Of each four lanes, lane j += lane j + 2: two sums of a and b in turn.
    static Floats fold_pair(Floats a, Floats b) {
        return add(_mm512_maskz_unpacklo_ps(kAll, a, b), _mm512_maskz_unpackhi_ps(kAll, a, b));
    }
};

using BestTile = SingleTile<Vector, 4, 6>;

}  // namespace

const SingleProduct single_product_avx512 = {
    "avx512", 4, 6, BestTile::kCapacity, Vector::kWidth, 4, BestTile::run, store<4, 6>, turn, norm, distances, place};

}  // namespace rsir
