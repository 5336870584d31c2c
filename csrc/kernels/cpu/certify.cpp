#include "kernels/cpu/certify.h"

#include "kernels/cpu/isa.h"

namespace rsir {

const Certify& certify_for(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::amx) {
        if (amx_ready()) return certify_amx;
        isa = Isa::avx512;
    }
    if (isa == Isa::avx512 && cpu_features().avx512_vnni) return certify_avx512;
    if (isa == Isa::avx512 || isa == Isa::avx2) return cpu_features().avx_vnni ? certify_avx2_vnni : certify_avx2;
#elif defined(__aarch64__)
    if (isa == Isa::neon) return cpu_features().dotprod ? certify_neon_dot : certify_neon;
#endif
    (void)isa;
    return certify_scalar;
}

}  // namespace rsir
