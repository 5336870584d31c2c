#include "kernels/cpu/single_distance.h"

namespace rsir {

// Without vectors float32 is no faster than float64.
const SingleDistance single_distance_scalar = {"scalar", 0, 0, 0, 0, nullptr, nullptr};

}  // namespace rsir
