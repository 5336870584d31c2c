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

// Eight distances at once: their marks are turned, so that all are compared with the first, the second ... of theirs.
std::int64_t settle_eight(const RankTable& table, std::uint32_t* places, const float* low, const float* high,
                          std::int64_t count, std::int64_t first, std::uint32_t* open) {
    static_assert(RankTable::kMarks == 4);
    const std::int64_t whole = count / 8 * 8;
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < whole; ++i) places[i] = table.entries[places[i]];
    const auto marks = [&](std::int64_t i) {
        return _mm_loadu_ps(reinterpret_cast<const float*>(table.marks) + places[i]);
    };
    const __m256i nowhere = _mm256_set1_epi32(static_cast<int>(table.nowhere()));
    unsigned char found[kStretch / 8] = {};
    for (std::int64_t i = 0; i < whole; i += 8) {
        __m256 two[4];  // the marks of distances i + p and i + p + 4
#pragma GCC unroll 4
        for (int p = 0; p < 4; ++p) {
            two[p] = _mm256_insertf128_ps(_mm256_castps128_ps256(marks(i + p)), marks(i + p + 4), 1);
        }
        const __m256 a = _mm256_unpacklo_ps(two[0], two[1]), b = _mm256_unpacklo_ps(two[2], two[3]);
        const __m256 c = _mm256_unpackhi_ps(two[0], two[1]), d = _mm256_unpackhi_ps(two[2], two[3]);
        const __m256 sorted[4] = {_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee),
                                  _mm256_shuffle_ps(c, d, 0x44), _mm256_shuffle_ps(c, d, 0xee)};
        const __m256 least = _mm256_loadu_ps(low + i), most = _mm256_loadu_ps(high + i);
        const auto at = reinterpret_cast<__m256i*>(places + i);
        const __m256i entry = _mm256_loadu_si256(at);
        __m256i place = entry, reached = entry;  // behind the marks below all of it, and behind those not above it
        __m256 below = _mm256_setzero_ps();
        for (const __m256& mark : sorted) {
            below = _mm256_cmp_ps(mark, least, _CMP_LT_OQ);
            place = _mm256_sub_epi32(place, _mm256_castps_si256(below));
            reached = _mm256_sub_epi32(reached, _mm256_castps_si256(_mm256_cmp_ps(mark, most, _CMP_NGT_UQ)));
        }
        const __m256i is_settled = _mm256_andnot_si256(_mm256_castps_si256(below), _mm256_cmpeq_epi32(place, reached));
        _mm256_storeu_si256(at, _mm256_blendv_epi8(nowhere, place, is_settled));
        found[i / 8] = static_cast<unsigned char>(~_mm256_movemask_ps(_mm256_castsi256_ps(is_settled)));
    }
    std::int64_t left = 0;
    for (std::int64_t i = 0; i < whole; i += 64) {
        std::uint64_t bits;
        __builtin_memcpy(&bits, found + i / 8, sizeof bits);
        for (; bits != 0; bits &= bits - 1) {
            open[left++] = static_cast<std::uint32_t>(first + i + __builtin_ctzll(bits));
        }
    }
    return left +
           settle<Marks>(table, places + whole, low + whole, high + whole, count - whole, first + whole, open + left);
}

using BestTile = SingleTile<Vector, 3, 4>;  // 12 sums, 3 queries and a row: all registers

}  // namespace

const SingleProduct single_product_avx2 = {
    "avx2",      3,    4,    BestTile::kCapacity, Vector::kWidth,     3, BestTile::run,
    store<3, 4>, turn, norm, distances,           place<settle_eight>};

}  // namespace rsir
