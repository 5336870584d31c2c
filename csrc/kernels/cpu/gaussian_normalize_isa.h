// What one instruction set contributes to gaussian_normalize.
#pragma once

#include <cstdint>

namespace rsir {

template <class T>
struct GaussianLoops {
    // rows [n, d] to out [n, d], each by its own mean and deviation. `stream`: stores that bypass the caches.
    void (*normalize)(const T* rows, std::int64_t n, std::int64_t d, float* out, bool stream);
    // out_ij = 0.5 + (rows_ij - mu_j) * scale_j; a NaN is stored as the quiet NaN.
    void (*apply)(const T* rows, std::int64_t n, std::int64_t d, const double* mu, const double* scale, float* out,
                  bool stream);
    // sums_j += row_j, and sums_j += (row_j - mu_j)^2, for j < columns; `next` is the row to fetch meanwhile.
    void (*add)(const T* row, const T* next, std::int64_t columns, double* sums);
    void (*add_squares)(const T* row, const T* next, std::int64_t columns, const double* mu, double* sums);
};

struct GaussianPasses {
    const char* isa;
    GaussianLoops<float> from_float;
    GaussianLoops<double> from_double;
};

extern const GaussianPasses gaussian_passes_scalar;
extern const GaussianPasses gaussian_passes_neon;
extern const GaussianPasses gaussian_passes_avx2;
extern const GaussianPasses gaussian_passes_avx512;

}  // namespace rsir
