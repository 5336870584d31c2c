// The block of bytes that a sidecar is.
#pragma once

#include "kernels/sidecar.h"

namespace rsir {

// A block for n rows of d columns, with room for as many wild rows: header and padding written, parts not.
std::shared_ptr<std::uint8_t> new_sidecar_block(std::int64_t n, std::int64_t d, Precision precision, bool with_mean,
                                                Normalize normalize);

}  // namespace rsir
