// The float32 of a canonical distance as bits that order like it: those of a float >= +0 grow with its value, and the
// one NaN, 0x7fc00000, lies above infinity.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace rsir {

inline std::uint32_t distance_bits(double squared) {
    const float rounded = static_cast<float>(squared);
    if (std::isnan(rounded)) return 0x7fc00000u;
    std::uint32_t bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    return bits;
}

inline float distance_from_bits(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace rsir
