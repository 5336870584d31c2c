// Gaussian normalisation (Ge et al. 2018, equation 2): y = (1 + (f - mu) / (3 sigma)) / 2.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace rsir {

// features [n, d] row-major, T = float or double; out [n, d] float, which may be `features` itself where
// T is float.
// mu and sigma are those of each row.
//
// Canonical arithmetic, the same on every instruction set: values widened to float64; sums in the lane order of
// kernels/cpu/lanes.h; mu = sum / d; sigma = sqrt(sum of (f - mu)^2 / d); y = 0.5 + (f - mu) * (1 / (6 sigma)),
// rounded once to float. A constant row, or sigma == 0, gives 0.5; a sigma that is not finite gives a row of NaN.
template <class T>
Status gaussian_normalize(const T* features, std::int64_t n, std::int64_t d, float* out, const Context& context);

// mu [d] and sigma [d] float64 of each column, in the same lane order taken down the rows (row i in lane i % 32);
// a constant column has that constant and exactly 0; a NaN is the quiet NaN. n >= 1.
template <class T>
Status gaussian_statistics(const T* features, std::int64_t n, std::int64_t d, double* mu, double* sigma,
                           const Context& context);

// Normalises with given column statistics: y_ij = 0.5 + (f_ij - mu_j) * (1 / (6 sigma_j)), 0.5 where sigma_j == 0,
// NaN where it is not finite.
template <class T>
Status gaussian_apply(const T* features, std::int64_t n, std::int64_t d, const double* mu, const double* sigma,
                      float* out, const Context& context);

}  // namespace rsir
