// A small, low-precision copy of a database, from which a search can prove which rows cannot be among the k nearest.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/context.h"
#include "kernels/rows.h"

namespace rsir {

// Bytes of a code. A search with int8 reads half the memory and does half the work; int16 leaves next to no doubt,
// where int8 leaves too much (wide vectors without structure, large k).
enum class Precision { automatic, int8, int16 };

// Row y of the database is stored as s * c + (a residual of norm <= rho), after subtracting one vector `mean` from all
// rows: c are integer codes, s = `scale`, rho = `radius`. Made by build_sidecar, read by certified_topk; see
// kernels/cpu/certify.h for what the numbers prove.
struct Sidecar {
    static constexpr std::int64_t kGroup = 16;          // rows interleaved in one panel
    static constexpr std::int64_t kMaxWidth = 1 << 16;  // below, an int32 dot product of int8 codes cannot overflow

    std::int64_t n = 0;
    std::int64_t d = 0;
    Precision precision = Precision::int8;
    std::vector<float> mean;  // [d]; empty: zero
    // [groups][steps][kGroup rows][4 bytes]: four int8 codes + 128, or two int16 codes; columns beyond d are code 0.
    std::unique_ptr<std::uint8_t, void (*)(void*)> panels{nullptr, std::free};
    // [groups * kGroup] each; rows beyond n, and wild rows, have excess = +inf and so never become candidates.
    std::vector<float> scale;
    std::vector<float> radius;
    std::vector<float> excess;        // |s c|^2, rounded down with a margin
    float widest = 0;                 // the largest radius
    float longest = 0;                // the largest |s c|
    std::vector<std::uint32_t> wild;  // rows with an element that is not finite or too large for the bounds

    std::int64_t steps() const { return precision == Precision::int16 ? (d + 1) / 2 : (d + 3) / 4; }
    std::int64_t groups() const { return (n + kGroup - 1) / kGroup; }
    std::int64_t bytes() const;
};

// 1 <= rows.d <= Sidecar::kMaxWidth, n < 2^32. Automatic precision: that with which a search for k neighbours is
// expected to cost least, judged by a sample.
Status build_sidecar(const Rows& rows, std::int64_t n, Precision precision, std::int64_t k, Sidecar& sidecar,
                     const Context& context);

}  // namespace rsir
