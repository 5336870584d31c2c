#include "kernels/cpu/quantizer.h"

#include <algorithm>

namespace rsir {

Quantizer::Quantizer(std::int64_t d, const std::vector<float>& mean, Precision precision, const Certify& certify)
    : certify_(certify),
      mean_(mean),
      precision_(precision),
      wide_(static_cast<std::size_t>(d)),
      centred_(static_cast<std::size_t>((d + 15) / 16 * 16)),
      codes8_(precision == Precision::int8 ? centred_.size() : 0),
      codes16_(precision == Precision::int16 ? centred_.size() : 0) {}

Code Quantizer::run(const Rows& rows, std::int64_t row, std::int32_t limit) {
    const auto d = static_cast<std::size_t>(rows.d);
    if (rows.element == Element::float32) {
        const float* values = static_cast<const float*>(rows.data) + row * rows.d;
        if (mean_.empty()) {
            std::copy_n(values, d, centred_.data());
        } else {
            for (std::size_t j = 0; j < d; ++j) centred_[j] = values[j] - mean_[j];
        }
    } else {
        widen_row(rows, row, wide_.data());
        for (std::size_t j = 0; j < d; ++j) {
            centred_[j] = static_cast<float>(mean_.empty() ? wide_[j] : wide_[j] - static_cast<double>(mean_[j]));
        }
    }
    const auto size = static_cast<std::int64_t>(centred_.size());
    return precision_ == Precision::int8 ? certify_.quantize8(centred_.data(), rows.d, size, limit, codes8_.data())
                                         : certify_.quantize16(centred_.data(), rows.d, size, codes16_.data());
}

}  // namespace rsir
