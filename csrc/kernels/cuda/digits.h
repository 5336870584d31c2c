// Rows as integers of three digits to the base 256, whose products the tensor cores sum exactly, and how far a squared
// distance made of these sums may be off.
//
// A row x less a centre that all rows have in common is x' = s c + r, with one scale s a row and integers c = 2^16 c0 +
// 2^8 c1 + c2 of digits from -128 to 127. With t = 2^16 s (a float, as s is), X0 = t c0, X1 = 2^-8 t c1, X2 = 2^-16 t
// c2:  x' = X0 + X1 + X2 + r. Of the nine products of the digits of x and y six are summed,
//
//     S0 = <c0, d0>,  S1 = <c0, d1> + <c1, d0>,  S2 = <c0, d2> + <c1, d1> + <c2, d0>,
//
// none of which leaves 32 bits up to kMostDigitWidth columns: 3 * 2^14 * 2^15 < 2^31. Then, in float32,
//
//     A = fma(v t_y, -2 t_x, |x'|^2 + |y'|^2),  v = fma(S1 + (S2 >> 8), 2^-8, S0)
//
// is near the canonical distance F, which is |x - y|^2 rounded:
//
//     |max(A, 0) - F| <= w_x w_y + 5 * 2^-24 A
//
// Write m >= |x'|, rho >= |r|, u1 >= |X1|, u2 >= |X2|, and with a stroke those of y; M = m + rho + 2 (u1 + u2), so that
// |X0| + |X1| + |X2| <= M, and M M' is no less than any of the sums above with its scales, S0 t t', v t t'.
//   1. Residuals: <x', y'> differs from <x' - r, y' - r'> by <r, y'> + <x', r'> - <r, r'>, no more than rho M' + M
//   rho';
//      with R = max(M, 2^22 rho) twice that is no more than 4 * 2^-22 R R' = 2^-20 R R'.
//   2. Products left out: twice u1 u2' + u2 u1' + u2 u2' = (u1 + u2 / 2) u2' + u2 (u1' + u2' / 2); with G = max(u1 + u2
//   /
//      2, 2^8 u2) no more than 4 * 2^-8 G G' = 2^-6 G G'.
//   3. S2 >> 8 is less than 1 below, in units of 2^-8 t t', and the sum with S1, up to 2^15.1 d, is rounded to a float:
//      twice these are no more than t t' (2^-7 + 2^-15 d).
//   4. Roundings of 2^-24: of S0, of v and of v t_y, twice (the factor of -2) no more than 6 * 2^-24 M M'; of both
//      norms and of their sum, 2 * 2^-24 (|x'|^2 + |y'|^2), which is |x - y|^2 + 2 <x', y'> times that: 4 * 2^-24 M M'
//      and 2 * 2^-24 of the distance. Of A: 2^-24 A. Of F: 2^-24 F, as its float64 sum is off by less than 2^-40.
// So w w' has to be 2^-20 R R' + 11 * 2^-24 M M' + 2^-6 G G' + (2^-7 + 2^-15 d) t t', and by Cauchy's inequality
//
//     w = sqrt((2^-20 + 11 * 2^-24) R^2 + 2^-6 G^2 + (2^-7 + 2^-15 d) t^2)
//
// does for both; what is off in 2^-24 of other than A is 2^-24 of w w', for which w has 2^-16 of itself to spare, and
// the 2^-40 of float64 sums and centres. It is never below 2^-40, so that no float that underflows matters: the
// products of numbers below 2^-60, which have no digits, are below 2^-80. A row that float32 cannot hold so (NaN,
// infinity, beyond 2^40) has no digits and an infinite w.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/types.h"

namespace rsir::cuda {

constexpr std::int64_t kDigitTile = 128;           // rows are padded to it, and columns, whose digits are 0
constexpr std::int64_t kMostDigitWidth = 1 << 15;  // columns
constexpr int kDigits = 3;

struct Digits {
    std::int8_t* values;  // [kDigits, rows, width]: c0, c1, c2
    float* norm;          // [rows]: |x'|^2
    float* unit;          // [rows]: t
    float* window;        // [rows]: w
    std::int64_t rows, width;

    static Digits at(void* memory, std::int64_t n, std::int64_t d);
};

std::size_t digits_bytes(std::int64_t n, std::int64_t d);

// centre [d]: about the mean of each column, of a sample; any finite number would do.
cudaError_t find_centre(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, double* centre,
                        cudaStream_t stream);

// n >= 1, 1 <= d <= kMostDigitWidth.
cudaError_t make_digits(const void* matrix, FloatType type, std::int64_t n, std::int64_t d, const double* centre,
                        const Digits& digits, cudaStream_t stream);

}  // namespace rsir::cuda
