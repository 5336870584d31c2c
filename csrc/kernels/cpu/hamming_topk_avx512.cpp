#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/hamming_topk_isa.h"

namespace rsir {
namespace {

std::int64_t differing_bits(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bytes) {
    const __m256i nibble_bits = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                                 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(0x0f);
    __m256i sums = _mm256_setzero_si256();
    std::int64_t i = 0;
    for (; i + 32 <= bytes; i += 32) {
        const __m256i x = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)),
                                           _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)));
        const __m256i low_bits = _mm256_shuffle_epi8(nibble_bits, _mm256_and_si256(x, low));
        const __m256i high_bits = _mm256_shuffle_epi8(nibble_bits, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
        const __m256i byte_bits = _mm256_add_epi8(low_bits, high_bits);
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(byte_bits, _mm256_setzero_si256()));
    }
    std::int64_t count = _mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 1) + _mm256_extract_epi64(sums, 2) +
                         _mm256_extract_epi64(sums, 3);
    for (; i < bytes; i += 8) {
        const auto width = static_cast<std::size_t>(bytes - i < 8 ? bytes - i : 8);
        std::uint64_t x = 0, y = 0;
        std::memcpy(&x, a + i, width);
        std::memcpy(&y, b + i, width);
        count += _mm_popcnt_u64(x ^ y);
    }
    return count;
}

}  // namespace

const DifferingBits differing_bits_avx512 = {"avx512", differing_bits};

}  // namespace rsir
