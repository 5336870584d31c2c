#include "kernels/cpu/single_distance.h"

#include "kernels/cpu/isa.h"

namespace rsir {

const SingleDistance& single_distance(Isa isa) { return RSIR_BY_ISA(isa, single_distance); }

}  // namespace rsir
