#include "kernels/cpu/single_product.h"

namespace rsir {

namespace {

#include "kernels/cpu/single_product_common.h"

}  // namespace

// Without vectors float32 is no faster than float64.
const SingleProduct single_product_scalar = {"scalar", 0,       0,    0,    0,         0,
                                             nullptr,  nullptr, turn, norm, distances, place<settle<PlainMarks>>};

}  // namespace rsir
