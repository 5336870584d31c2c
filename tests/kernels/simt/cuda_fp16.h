// Half precision of CUDA for the host of simt.h: rounded to nearest even, as on the device.
#pragma once

#include "cuda_runtime_api.h"

struct __half {
    std::uint16_t bits;
};
struct __half2 {
    __half x, y;
};

inline float __half2float(__half half) {
    const std::uint32_t exponent = half.bits >> 10 & 31, fraction = half.bits & 1023, sign = half.bits >> 15;
    if (exponent == 0) return (sign != 0 ? -0x1p-24f : 0x1p-24f) * static_cast<float>(fraction);
    return __uint_as_float(sign << 31 | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13);
}

inline __half __double2half(double value) {
    const int sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value);
    int bits = 0x7e00;  // NaN
    if (size >= 65520.0) {
        bits = 0x7c00;
    } else if (size > 0.0) {
        const int exponent = ilogb(size) < -14 ? -14 : ilogb(size);
        bits = (exponent + 14) * 1024 + static_cast<int>(nearbyint(scalbn(size, 10 - exponent)));
    } else if (size == 0.0) {
        bits = 0;
    }
    return {static_cast<std::uint16_t>(sign | bits)};
}

inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
