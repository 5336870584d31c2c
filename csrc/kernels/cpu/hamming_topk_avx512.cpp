#include <immintrin.h>

#include "kernels/cpu/hamming_topk_sliced.h"

namespace rsir {
namespace {

struct Zmm {
    using Bits = __m512i;
    static constexpr bool kPaired = true;
    static constexpr std::int64_t kBytes = 64;

    static Bits zero() { return _mm512_setzero_si512(); }
    static Bits load(const void* p) {
        Bits x = _mm512_loadu_si512(p);
        asm("" : "+v"(x));  // or the compiler loads it once for each of its two uses: loads are the bottleneck
        return x;
    }
    static void store(void* p, Bits x) { _mm512_storeu_si512(p, x); }
    static Bits fill(std::uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
    static Bits exclusive_or(Bits a, Bits b) { return _mm512_xor_si512(a, b); }
    static bool any_of_two(Bits x, Bits y) { return _mm512_test_epi32_mask(_mm512_or_si512(x, y), _mm512_or_si512(x, y)) != 0; }
    static bool any(Bits x) { return _mm512_test_epi32_mask(x, x) != 0; }
    // Truth tables: 0x96 is a ^ b ^ c, 0xe8 their majority.
    static Bits majority(Bits a, Bits b, Bits c) { return _mm512_ternarylogic_epi32(a, b, c, 0xe8); }
    static Bits full_add(Bits& sum, Bits a, Bits b) {
        const Bits carry = majority(sum, a, b);
        sum = _mm512_ternarylogic_epi32(sum, a, b, 0x96);
        return carry;
    }
    static Bits half_add(Bits& sum, Bits a) {
        const Bits carry = _mm512_and_si512(sum, a);
        sum = _mm512_xor_si512(sum, a);
        return carry;
    }
    static void swap(Bits& a, Bits& b, int shift, std::uint64_t mask) {
        constexpr __mmask8 kAll = 0xff;  // GCC 12 warns of its own header for the forms without a mask
        // 0x28: (a ^ b) & c
        const Bits x = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(kAll, a, static_cast<unsigned>(shift)), b,
                                                 _mm512_set1_epi64(static_cast<long long>(mask)), 0x28);
        b = _mm512_xor_si512(b, x);
        a = _mm512_xor_si512(a, _mm512_maskz_slli_epi64(kAll, x, static_cast<unsigned>(shift)));
    }
};

std::int64_t scan_rows(const std::uint8_t* query, const std::uint8_t* rows, std::int64_t count, std::int64_t bits,
                       std::uint32_t limit, RowHit* hits) {
    return rows_one_by_one(query, rows, 0, count, bits, limit, hits);
}

}  // namespace

const HammingKernels hamming_kernels_avx512 = {
    "avx512",  scan_planes<Zmm>, count_hits<Zmm>, transpose_words<Zmm>, weigh_group<Zmm>, scan_rows,
};

}  // namespace rsir
