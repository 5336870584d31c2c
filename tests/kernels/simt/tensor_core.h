// A step of a tensor core's sum. Its rounding is not specified by NVIDIA; kernels/cuda/certify.h says what its bound
// assumes of it. Here every step is off by chance by up to that much, so that a wrong answer shows where the bound does
// not cover what it assumes.
#pragma once

#include <cmath>

#include "simt.h"

namespace simt {

inline float add_products(float sum, const float (&x)[16], const float (&y)[16]) {
    double exact = static_cast<double>(sum), size = std::fabs(exact);
    for (int k = 0; k < 16; ++k) {
        const double product = static_cast<double>(x[k]) * static_cast<double>(y[k]);
        exact += product;
        size = std::fabs(product) > size ? std::fabs(product) : size;
    }
    size = std::fabs(exact) > size ? std::fabs(exact) : size;
    // Seventeen addends and the result, each cut at 2^-23 of the largest.
    const double most = 18 * 0x1p-23 * size;
    const double off = (static_cast<double>(draw(1 << 20)) * 0x1p-19 - 1.0) * most;
    return static_cast<float>(exact + off);
}

}  // namespace simt
