// Binary codes from real values: bit = (u > 0).
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace rsir {

// values [n, b] row-major, T = float or double; codes [n, ceil(b/8)].
// Bit j of a code is bit j % 8 (least significant first) of byte j / 8; unused bits of the last byte are 0.
// NaN and both zeros give 0.
template <class T>
Status pack_codes(const T* values, std::int64_t n, std::int64_t b, std::uint8_t* codes, const Context& context);

}  // namespace rsir
