#include <immintrin.h>

#include "kernels/cpu/hamming_topk_sliced.h"
#include "kernels/cpu/isa.h"

namespace rsir {
namespace {

struct Zmm {
    using Bits = __m512i;
    static constexpr bool kPaired = true;
    static constexpr std::int64_t kCounted = 33;  // codes of 64 bits list at most 32 planes
    static constexpr std::int64_t kBytes = 64;

    static Bits zero() { return _mm512_setzero_si512(); }
    static Bits load(const void* p) {
        Bits x = _mm512_loadu_si512(p);
        asm("" : "+v"(x));  // or the compiler loads it once for each of its two uses: loads are the bottleneck
        return x;
    }
    static void store(void* p, Bits x) { _mm512_storeu_si512(p, x); }
    static Bits fill(std::uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
    static Bits fill_from(const std::uint32_t* word) {
        Bits x;
        asm("vpbroadcastd %1, %0" : "=v"(x) : "m"(*word));  // the compiler goes by a general register, which is slower
        return x;
    }
    static Bits exclusive_or(Bits a, Bits b) { return _mm512_xor_si512(a, b); }
    static bool any_of_two(Bits x, Bits y) {
        return _mm512_test_epi32_mask(_mm512_or_si512(x, y), _mm512_or_si512(x, y)) != 0;
    }
    static bool any(Bits x) { return _mm512_test_epi32_mask(x, x) != 0; }
    // Truth tables: 0x96 is a ^ b ^ c, 0xe8 their majority, and 0xd4 the majority of a, b and x where c is a ^ b ^ x.
    static Bits majority(Bits a, Bits b, Bits c) { return _mm512_ternarylogic_epi32(a, b, c, 0xe8); }
    static Bits full_add(Bits& sum, Bits a, Bits b) {
        sum = _mm512_ternarylogic_epi32(sum, a, b, 0x96);  // first, so that no operand is copied
        return _mm512_ternarylogic_epi32(a, b, sum, 0xd4);
    }
    static Bits half_add(Bits& sum, Bits a) {
        const Bits carry = _mm512_and_si512(sum, a);
        sum = _mm512_xor_si512(sum, a);
        return carry;
    }
    static void swap(Bits& a, Bits& b, int shift, std::uint64_t mask) {
        constexpr __mmask8 kAll = 0xff;  // GCC 12 warns of the forms without a mask, in its own header
        // 0x28: (a ^ b) & c
        const Bits x = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(kAll, a, static_cast<unsigned>(shift)), b,
                                                 _mm512_set1_epi64(static_cast<long long>(mask)), 0x28);
        b = _mm512_xor_si512(b, x);
        a = _mm512_xor_si512(a, _mm512_maskz_slli_epi64(kAll, x, static_cast<unsigned>(shift)));
    }
};

// As _mm512_reduce_add_epi64, of whose header GCC 12 warns.
inline long long sum_words(__m512i x) {
    const __m256i four =
        _mm256_add_epi64(_mm512_maskz_extracti64x4_epi64(0xf, x, 0), _mm512_maskz_extracti64x4_epi64(0xf, x, 1));
    const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    return _mm_extract_epi64(two, 0) + _mm_extract_epi64(two, 1);
}

// Codes of 64 bits.
__attribute__((target("avx512vpopcntdq"))) std::int64_t scan_words(const std::uint8_t* query, const std::uint8_t* rows,
                                                                   std::int64_t count, std::uint32_t limit,
                                                                   RowHit* hits) {
    long long code;
    std::memcpy(&code, query, sizeof code);
    const __m512i codes = _mm512_set1_epi64(code), limits = _mm512_set1_epi64(static_cast<long long>(limit));
    std::int64_t row = 0, found = 0;
    for (; row + 8 <= count; row += 8) {
        const __m512i distances = _mm512_popcnt_epi64(_mm512_xor_si512(codes, _mm512_loadu_si512(rows + row * 8)));
        unsigned nearer = _mm512_cmplt_epu64_mask(distances, limits);
        if (__builtin_expect(nearer == 0, 1)) continue;
        std::uint64_t each[8];
        _mm512_storeu_si512(each, distances);
        for (; nearer != 0; nearer &= nearer - 1) {
            const auto i = static_cast<std::uint32_t>(__builtin_ctz(nearer));
            hits[found++] = {static_cast<std::uint32_t>(row) + i, static_cast<std::uint32_t>(each[i])};
        }
    }
    return found + rows_one_by_one(query, rows, row, count, 64, limit, hits + found);
}

// Codes of 64 bytes and more.
__attribute__((target("avx512vpopcntdq"))) std::int64_t scan_long(const std::uint8_t* query, const std::uint8_t* rows,
                                                                  std::int64_t count, std::int64_t bits,
                                                                  std::uint32_t limit, RowHit* hits) {
    const std::int64_t bytes = (bits + 7) / 8, whole = (bytes - 1) / 64 * 64;
    const __mmask64 rest = ~__mmask64{0} >> (64 - (bytes - whole));
    alignas(64) std::uint8_t valid[64] = {};
    std::memset(valid, 0xff, static_cast<std::size_t>(bytes - whole));
    valid[bytes - whole - 1] = static_cast<std::uint8_t>(0xffu >> (bytes * 8 - bits));
    const __m512i valid_bits = _mm512_load_si512(valid);
    const __m512i last = _mm512_maskz_loadu_epi8(rest, query + whole);
    std::int64_t found = 0;
    for (std::int64_t row = 0; row < count; ++row) {
        const std::uint8_t* code = rows + row * bytes;
        const __m512i x = _mm512_xor_si512(last, _mm512_maskz_loadu_epi8(rest, code + whole));
        __m512i sums = _mm512_popcnt_epi64(_mm512_and_si512(x, valid_bits));
        for (std::int64_t i = 0; i < whole; i += 64) {
            const __m512i y = _mm512_xor_si512(_mm512_loadu_si512(query + i), _mm512_loadu_si512(code + i));
            sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(y));
        }
        const auto distance = static_cast<std::uint32_t>(sum_words(sums));
        if (distance < limit) hits[found++] = {static_cast<std::uint32_t>(row), distance};
    }
    return found;
}

bool has_vector_count(std::int64_t bits) { return cpu_features().avx512_vpopcntdq && (bits == 64 || bits >= 512); }

std::int64_t scan_rows(const std::uint8_t* query, const std::uint8_t* rows, std::int64_t count, std::int64_t bits,
                       std::uint32_t limit, RowHit* hits) {
    if (!has_vector_count(bits)) return rows_one_by_one(query, rows, 0, count, bits, limit, hits);
    return bits == 64 ? scan_words(query, rows, count, limit, hits) : scan_long(query, rows, count, bits, limit, hits);
}

std::int64_t row_queries(std::int64_t bits) { return has_vector_count(bits) ? 12 : 3; }

}  // namespace

const HammingKernels hamming_kernels_avx512 = {
    "avx512",         scan_planes<Zmm>, count_hits<Zmm>, transpose_words<Zmm>,
    weigh_group<Zmm>, scan_rows,        list_ones,       row_queries};

}  // namespace rsir
