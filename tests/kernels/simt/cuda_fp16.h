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
    const int exponent = half.bits >> 10 & 31, fraction = half.bits & 1023;
    float value = exponent == 0 ? ldexpf(static_cast<float>(fraction), -24)
                                : ldexpf(static_cast<float>(1024 + fraction), exponent - 25);
    if (exponent == 31) value = fraction == 0 ? INFINITY : NAN;
    return (half.bits & 0x8000) != 0 ? -value : value;
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
