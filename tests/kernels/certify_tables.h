// The certify tables that this machine can run, whether dispatch picks them or not.
#pragma once

#include <vector>

#include "certify_amx_model.h"
#include "kernels/cpu/certify.h"
#include "kernels/cpu/isa.h"

namespace rsir::test {

struct CertifyTable {
    const char* name;
    const Certify* certify;
};

inline std::vector<CertifyTable> certify_tables() {
    std::vector<CertifyTable> tables = {{"scalar", &certify_scalar}};
    for (const Isa isa : supported_isas()) {
        (void)isa;
#if defined(__x86_64__)
        if (isa == Isa::avx2) {
            tables.push_back({"avx2", &certify_avx2});
            if (cpu_features().avx_vnni) tables.push_back({"avx2_vnni", &certify_avx2_vnni});
        }
        if (isa == Isa::amx && amx_ready()) tables.push_back({"amx", &certify_amx});
        if (isa == Isa::avx512 && cpu_features().avx512_vnni) {
            tables.push_back({"avx512", &certify_avx512});
            tables.push_back({"amx, modelled", &certify_amx_model});
        }
#elif defined(__aarch64__)
        if (isa == Isa::neon) {
            tables.push_back({"neon", &certify_neon});
            if (cpu_features().dotprod) tables.push_back({"neon_dot", &certify_neon_dot});
        }
#endif
    }
    return tables;
}

}  // namespace rsir::test
