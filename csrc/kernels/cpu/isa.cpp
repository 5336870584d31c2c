#include "kernels/cpu/isa.h"

#include <stdexcept>

namespace rsir {

const char* isa_name(Isa isa) { return isa == Isa::avx2 ? "avx2" : "scalar"; }

std::vector<Isa> supported_isas() {
    std::vector<Isa> isas;
#ifdef RSIR_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt")) isas.push_back(Isa::avx2);
#endif
    isas.push_back(Isa::scalar);
    return isas;
}

Isa isa_from_name(const std::string& name) {
    std::string names;
    for (const Isa isa : supported_isas()) {
        if (name == isa_name(isa)) return isa;
        names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
    }
    throw std::invalid_argument("expected an instruction set that this machine runs (" + names + "), got '" + name +
                                "'; unset RSIR_FORCE_ISA to take the best one");
}

}  // namespace rsir
