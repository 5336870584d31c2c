#include "kernels/cpu/canonical_distance.h"

#include "kernels/cpu/isa.h"

namespace rsir {

const CanonicalDistance& canonical_distance(Isa isa) { return RSIR_BY_ISA(isa, canonical_distance); }

}  // namespace rsir
