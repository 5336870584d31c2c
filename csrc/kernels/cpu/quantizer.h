// Codes of rows and queries: what certify works on.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/certify.h"
#include "kernels/sidecar.h"

namespace rsir {

constexpr std::int32_t kRowLimit = 127;  // largest |int8 code| of a row

inline float rounded_down(double value) {
    const auto nearest = static_cast<float>(value);
    return static_cast<double>(nearest) <= value ? nearest
                                                 : std::nextafter(nearest, -std::numeric_limits<float>::infinity());
}
inline float rounded_up(double value) { return -rounded_down(-value); }

// Subtracts the mean from vectors of any element type and quantises them.
class Quantizer {
  public:
    // mean [d], or null: zero.
    Quantizer(std::int64_t d, const float* mean, Precision precision, const Certify& certify);

    Code run(const Rows& rows, std::int64_t row, std::int32_t limit) { return run(rows, row, limit, 0); }

    // Rows first, ..., first + count - 1 as a panel (see sidecar.h), where count <= kGroup and the rest is code 0.
    void run_panel(const Rows& rows, std::int64_t first, std::int64_t count, Code* found, std::uint8_t* panel);

    // The codes of the last run, [steps][4 bytes].
    const std::uint8_t* codes() const { return codes_.data(); }

  private:
    Code run(const Rows& rows, std::int64_t row, std::int32_t limit, std::int64_t place);
    std::int64_t row_bytes() const { return size_ * (precision_ == Precision::int8 ? 1 : 2); }

    const Certify& certify_;
    const float* mean_;
    Precision precision_;
    std::int64_t size_;                // d, padded to a multiple of 16
    std::vector<float> centred_;       // [size]
    std::vector<std::uint8_t> codes_;  // [kGroup, row_bytes]
};

}  // namespace rsir
