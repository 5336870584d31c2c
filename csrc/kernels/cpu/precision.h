// Which precision of codes a search is expected to cost least with.
#pragma once

#include <cstdint>

#include "kernels/cpu/quantizer.h"

namespace rsir {

// Judged by the distances and residuals of a sample of rows, for searches of k neighbours among n.
Precision cheaper_precision(const Rows& rows, std::int64_t n, std::int64_t k, const float* mean, const Certify& certify,
                            Isa isa);

}  // namespace rsir
