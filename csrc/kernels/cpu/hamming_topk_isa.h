// What one instruction set contributes to hamming_topk: the number of differing bits of two codes.
#pragma once

#include <cstdint>

namespace rsir {

struct DifferingBits {
    const char* isa;
    // Differing bits of a and b over `bytes` whole bytes; no byte beyond is read.
    std::int64_t (*run)(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bytes);
};

extern const DifferingBits differing_bits_scalar;
extern const DifferingBits differing_bits_neon;
extern const DifferingBits differing_bits_avx2;
extern const DifferingBits differing_bits_avx512;

}  // namespace rsir
