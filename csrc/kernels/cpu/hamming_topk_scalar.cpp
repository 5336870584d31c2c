#include "kernels/cpu/hamming_topk_sliced.h"

namespace rsir {
namespace {

struct Word {
    using Bits = std::uint64_t;
    static constexpr bool kPaired = false;
    static constexpr std::int64_t kCounted = 0;
    static constexpr std::int64_t kBytes = 8;

    static Bits zero() { return 0; }
    static Bits load(const void* p) {
        Bits x;
        std::memcpy(&x, p, sizeof x);
        return x;
    }
    static void store(void* p, Bits x) { std::memcpy(p, &x, sizeof x); }
    static Bits fill(std::uint32_t word) { return word * std::uint64_t{0x100000001}; }
    static Bits fill_from(const std::uint32_t* word) { return fill(*word); }
    static Bits exclusive_or(Bits a, Bits b) { return a ^ b; }
    static bool any_of_two(Bits x, Bits y) { return (x | y) != 0; }
    static bool any(Bits x) { return x != 0; }
    static Bits majority(Bits a, Bits b, Bits c) { return (a & b) | ((a | b) & c); }
    static Bits full_add(Bits& sum, Bits a, Bits b) {
        const Bits half = a ^ b;
        const Bits carry = (a & b) | (half & sum);
        sum ^= half;
        return carry;
    }
    static Bits half_add(Bits& sum, Bits a) {
        const Bits carry = sum & a;
        sum ^= a;
        return carry;
    }
    static void swap(Bits& a, Bits& b, int shift, std::uint64_t mask) {
        const Bits x = ((a >> shift) ^ b) & mask;
        b ^= x;
        a ^= x << shift;
    }
};

std::int64_t scan_rows(const std::uint8_t* query, const std::uint8_t* rows, std::int64_t count, std::int64_t bits,
                       std::uint32_t limit, RowHit* hits) {
    return rows_one_by_one(query, rows, 0, count, bits, limit, hits);
}

std::int64_t row_queries(std::int64_t) { return 2; }

}  // namespace

const HammingKernels hamming_kernels_scalar = {
    "scalar",          scan_planes<Word>, count_hits<Word>, transpose_words<Word>,
    weigh_group<Word>, scan_rows,         list_ones,        row_queries};

}  // namespace rsir
