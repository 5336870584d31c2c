#include "kernels/cpu/single_product.h"

#include "kernels/cpu/isa.h"

namespace rsir {

const SingleProduct& single_product(Isa isa) { return RSIR_BY_ISA(isa, single_product); }

}  // namespace rsir
