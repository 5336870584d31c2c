// What one instruction set contributes to gaussian_normalize: three passes over a row held as float64.
#pragma once

#include <cstdint>

namespace rsir {

// `size` is a multiple of kLanes; elements beyond d are zero.
struct GaussianPasses {
    const char* isa;
    double (*sum)(const double* row, std::int64_t size);
    // row[i] -= mu for i < d (padding stays zero); returns the sum of the squares.
    double (*centre)(double* row, std::int64_t d, std::int64_t size, double mu);
    // out[i] = 0.5 + row[i] * scale
    void (*scale)(const double* row, std::int64_t d, double scale, float* out);
};

extern const GaussianPasses gaussian_passes_scalar;
extern const GaussianPasses gaussian_passes_neon;
extern const GaussianPasses gaussian_passes_avx2;
extern const GaussianPasses gaussian_passes_avx512;

}  // namespace rsir
