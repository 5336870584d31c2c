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

// The marks of each distance are copied, so that sixteen distances are compared with the first, the second ... of
// theirs: a fifth as many instructions as one by one.
std::int64_t settle_sixteen(const RankTable& table, std::uint32_t* places, const float* low, const float* high,
                            std::int64_t count, std::int64_t first, std::uint32_t* open) {
    static_assert(RankTable::kMarks == 4);
    alignas(64) std::uint32_t marks[kStretch][4];
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < count; ++i) {
        places[i] = table.entries[places[i]];
        __builtin_memcpy(marks[i], table.marks + places[i], sizeof marks[i]);
    }
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i even = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(2));
    const __m512i one = _mm512_set1_epi32(1), nowhere = _mm512_set1_epi32(static_cast<int>(table.nowhere()));
    std::int64_t left = 0;
    for (std::int64_t i = 0; i < count; i += 16) {
        const auto there = static_cast<__mmask16>(count - i < 16 ? (1 << (count - i)) - 1 : 0xffff);
        const __m512 least = _mm512_maskz_loadu_ps(there, low + i), most = _mm512_maskz_loadu_ps(there, high + i);
        const __m512 a = _mm512_load_ps(marks[i]), b = _mm512_load_ps(marks[i + 4]);
        const __m512 c = _mm512_load_ps(marks[i + 8]), d = _mm512_load_ps(marks[i + 12]);
        const __m512 ab = _mm512_permutex2var_ps(a, even, b), cd = _mm512_permutex2var_ps(c, even, d);
        const __m512 ef = _mm512_permutex2var_ps(a, odd, b), gh = _mm512_permutex2var_ps(c, odd, d);
        const __m512 sorted[4] = {
            _mm512_maskz_shuffle_f32x4(0xffff, ab, cd, 0x44), _mm512_maskz_shuffle_f32x4(0xffff, ab, cd, 0xee),
            _mm512_maskz_shuffle_f32x4(0xffff, ef, gh, 0x44), _mm512_maskz_shuffle_f32x4(0xffff, ef, gh, 0xee)};
        __m512i place = _mm512_maskz_loadu_epi32(there, places + i);
        __mmask16 is_below = there, is_open = 0;
        for (const __m512& mark : sorted) {
            const __mmask16 reached = _mm512_mask_cmp_ps_mask(is_below, mark, most, _CMP_NGT_UQ);
            is_below = _mm512_mask_cmp_ps_mask(is_below, mark, least, _CMP_LT_OQ);
            is_open = static_cast<__mmask16>(is_open | (reached & ~is_below));
            place = _mm512_mask_add_epi32(place, is_below, place, one);
        }
        is_open = static_cast<__mmask16>(is_open | is_below);
        _mm512_mask_storeu_epi32(places + i, there, _mm512_mask_mov_epi32(place, is_open, nowhere));
        const int found = __builtin_popcount(is_open);
        const __m512i ids = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(first + i)));
        _mm512_mask_storeu_epi32(open + left, static_cast<__mmask16>((1 << found) - 1),
                                 _mm512_maskz_compress_epi32(is_open, ids));
        left += found;
    }
    return left;
}

using BestTile = SingleTile<Vector, 4, 6>;

}  // namespace

const SingleProduct single_product_avx512 = {
    "avx512",    4,    6,    BestTile::kCapacity, Vector::kWidth,       4, BestTile::run,
    store<4, 6>, turn, norm, distances,           place<settle_sixteen>};

}  // namespace rsir
