// What one instruction set contributes to hamming_topk: the number of differing bits of two codes.
#pragma once

#include <cstdint>

namespace rsir {

// Differing bits of a and b over `bytes` whole bytes; no byte beyond is read.
using DifferingBits = std::int64_t (*)(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bytes);

std::int64_t differing_bits_scalar(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bytes);
std::int64_t differing_bits_avx2(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bytes);

}  // namespace rsir
