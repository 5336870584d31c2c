#include <arm_neon.h>

#include "kernels/cpu/hamming_topk_sliced.h"

namespace rsir {
namespace {

struct Quad {
    using Bits = uint64x2_t;
    static constexpr bool kPaired = true;
    static constexpr std::int64_t kCounted = 0;
    static constexpr std::int64_t kBytes = 16;

    static Bits zero() { return vdupq_n_u64(0); }
    static Bits load(const void* p) { return vreinterpretq_u64_u8(vld1q_u8(static_cast<const std::uint8_t*>(p))); }
    static void store(void* p, Bits x) { vst1q_u8(static_cast<std::uint8_t*>(p), vreinterpretq_u8_u64(x)); }
    static Bits fill(std::uint32_t word) { return vreinterpretq_u64_u32(vdupq_n_u32(word)); }
    static Bits fill_from(const std::uint32_t* word) { return fill(*word); }
    static Bits exclusive_or(Bits a, Bits b) { return veorq_u64(a, b); }
    static bool any(Bits x) { return vmaxvq_u32(vreinterpretq_u32_u64(x)) != 0; }
    static bool any_of_two(Bits x, Bits y) { return any(vorrq_u64(x, y)); }
    // Where two differ, the third decides.
    static Bits majority(Bits a, Bits b, Bits c) { return vbslq_u64(veorq_u64(a, b), c, a); }
    static Bits full_add(Bits& sum, Bits a, Bits b) {
        const Bits half = veorq_u64(a, b);
        const Bits carry = vbslq_u64(half, sum, a);
        sum = veorq_u64(sum, half);
        return carry;
    }
    static Bits half_add(Bits& sum, Bits a) {
        const Bits carry = vandq_u64(sum, a);
        sum = veorq_u64(sum, a);
        return carry;
    }
    static void swap(Bits& a, Bits& b, int shift, std::uint64_t mask) {
        const Bits x = vandq_u64(veorq_u64(vshlq_u64(a, vdupq_n_s64(-shift)), b), vdupq_n_u64(mask));
        b = veorq_u64(b, x);
        a = veorq_u64(a, vshlq_u64(x, vdupq_n_s64(shift)));
    }
};

std::int64_t scan_rows(const std::uint8_t* query, const std::uint8_t* rows, std::int64_t count, std::int64_t bits,
                       std::uint32_t limit, RowHit* hits) {
    std::int64_t row = 0, found = 0;
    if (bits == 64) {
        const uint8x16_t code = vreinterpretq_u8_u64(vld1q_dup_u64(reinterpret_cast<const std::uint64_t*>(query)));
        const uint16x8_t limits = vdupq_n_u16(static_cast<std::uint16_t>(limit));
        for (; row + 8 <= count; row += 8) {
            const std::uint8_t* at = rows + row * 8;
            uint8x16_t ones[4];
            for (int i = 0; i < 4; ++i) ones[i] = vcntq_u8(veorq_u8(vld1q_u8(at + 16 * i), code));
            const uint8x16_t sums = vpaddq_u8(vpaddq_u8(ones[0], ones[1]), vpaddq_u8(ones[2], ones[3]));
            const uint16x8_t distances = vpaddlq_u8(sums);
            if (vmaxvq_u16(vcltq_u16(distances, limits)) == 0) continue;
            std::uint16_t each[8];
            vst1q_u16(each, distances);
            for (std::uint32_t i = 0; i < 8; ++i) {
                if (each[i] < limit) hits[found++] = {static_cast<std::uint32_t>(row) + i, each[i]};
            }
        }
    }
    return found + rows_one_by_one(query, rows, row, count, bits, limit, hits + found);
}

std::int64_t row_queries(std::int64_t bits) { return bits == 64 ? 8 : 3; }

}  // namespace

const HammingKernels hamming_kernels_neon = {
    "neon",    scan_planes<Quad>, count_hits<Quad>, transpose_words<Quad>, weigh_group<Quad>,
    scan_rows, list_ones,         row_queries};

}  // namespace rsir
