// Codes of rows and queries: what certify works on.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
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
    // Keeps a reference to the mean.
    Quantizer(std::int64_t d, const std::vector<float>& mean, Precision precision, const Certify& certify);

    Code run(const Rows& rows, std::int64_t row, std::int32_t limit);

    // The codes of the last run, 4 bytes a step, to out + step * stride.
    void store_query(std::int8_t* out, std::int64_t stride, std::int64_t steps) const { store(out, stride, steps, 0); }
    // int8 codes + 128.
    void store_row(std::uint8_t* out, std::int64_t stride, std::int64_t steps) const {
        store(out, stride, steps, precision_ == Precision::int8 ? 0x80808080u : 0);
    }

  private:
    template <class Byte>
    void store(Byte* out, std::int64_t stride, std::int64_t steps, std::uint32_t flip) const {
        const auto* codes = precision_ == Precision::int8 ? static_cast<const void*>(codes8_.data()) : codes16_.data();
        for (std::int64_t t = 0; t < steps; ++t) {
            std::uint32_t four;
            std::memcpy(&four, static_cast<const char*>(codes) + 4 * t, sizeof four);
            four ^= flip;
            std::memcpy(out + t * stride, &four, sizeof four);
        }
    }

    const Certify& certify_;
    const std::vector<float>& mean_;
    Precision precision_;
    std::vector<double> wide_;
    std::vector<float> centred_;
    std::vector<std::int8_t> codes8_;
    std::vector<std::int16_t> codes16_;
};

}  // namespace rsir
