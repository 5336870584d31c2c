#include <immintrin.h>

#include "kernels/cpu/hamming_topk_sliced.h"

namespace rsir {
namespace {

struct Ymm {
    using Bits = __m256i;
    static constexpr bool kPaired = false;
    static constexpr std::int64_t kCounted = 0;
    static constexpr std::int64_t kBytes = 32;

    static Bits zero() { return _mm256_setzero_si256(); }
    static Bits load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
    static void store(void* p, Bits x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
    static Bits fill(std::uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }
    static Bits fill_from(const std::uint32_t* word) { return fill(*word); }
    static Bits exclusive_or(Bits a, Bits b) { return _mm256_xor_si256(a, b); }
    static bool any_of_two(Bits x, Bits y) { return !_mm256_testz_si256(_mm256_or_si256(x, y), _mm256_or_si256(x, y)); }
    static bool any(Bits x) { return !_mm256_testz_si256(x, x); }
    static Bits majority(Bits a, Bits b, Bits c) {
        return _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(_mm256_or_si256(a, b), c));
    }
    static Bits full_add(Bits& sum, Bits a, Bits b) {
        const Bits half = _mm256_xor_si256(a, b);
        const Bits carry = _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(half, sum));
        sum = _mm256_xor_si256(sum, half);
        return carry;
    }
    static Bits half_add(Bits& sum, Bits a) {
        const Bits carry = _mm256_and_si256(sum, a);
        sum = _mm256_xor_si256(sum, a);
        return carry;
    }
    static void swap(Bits& a, Bits& b, int shift, std::uint64_t mask) {
        const Bits x = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi64(a, shift), b),
                                        _mm256_set1_epi64x(static_cast<long long>(mask)));
        b = _mm256_xor_si256(b, x);
        a = _mm256_xor_si256(a, _mm256_slli_epi64(x, shift));
    }
};

std::int64_t scan_rows(const std::uint8_t* query, const std::uint8_t* rows, std::int64_t count, std::int64_t bits,
                       std::uint32_t limit, RowHit* hits) {
    return rows_one_by_one(query, rows, 0, count, bits, limit, hits);
}

std::int64_t row_queries(std::int64_t) { return 3; }

}  // namespace

const HammingKernels hamming_kernels_avx2 = {"avx2",           scan_planes<Ymm>, count_hits<Ymm>, transpose_words<Ymm>,
                                             weigh_group<Ymm>, scan_rows,        list_ones,       row_queries};

}  // namespace rsir
