#include <cstring>

#include "kernels/cpu/hamming_topk_isa.h"

namespace rsir {
namespace {

std::int64_t differing_bits(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bytes) {
    std::int64_t count = 0, i = 0;
    for (; i + 8 <= bytes; i += 8) {
        std::uint64_t x, y;
        std::memcpy(&x, a + i, 8);
        std::memcpy(&y, b + i, 8);
        count += __builtin_popcountll(x ^ y);
    }
    for (; i < bytes; ++i) count += __builtin_popcount(static_cast<unsigned>(a[i] ^ b[i]));
    return count;
}

}  // namespace

const DifferingBits differing_bits_neon = {"neon", differing_bits};

}  // namespace rsir
