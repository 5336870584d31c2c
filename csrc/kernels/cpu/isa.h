// Which instruction sets this machine runs, best first, and what each means.
#pragma once

#include <string>
#include <vector>

#include "kernels/context.h"

// The table of one op that was compiled for `isa`: RSIR_BY_ISA(isa, name) is name_scalar, name_avx2, ... Only certify
// has code for amx; all else is that of avx512.
#if defined(__x86_64__)
#define RSIR_BY_ISA(isa, name) \
    ((isa) >= ::rsir::Isa::avx512 ? name##_avx512 : (isa) == ::rsir::Isa::avx2 ? name##_avx2 : name##_scalar)
#elif defined(__aarch64__)
#define RSIR_BY_ISA(isa, name) ((isa) == ::rsir::Isa::neon ? name##_neon : name##_scalar)
#else
#define RSIR_BY_ISA(isa, name) ((void)(isa), name##_scalar)
#endif

namespace rsir {

// avx2: Haswell, Zen and later. avx512: Skylake-X, Zen 4 and later. amx: Sapphire Rapids and later. neon: every
// AArch64. What exactly: CMakeLists.txt, and of amx isa.cpp.
const char* isa_name(Isa isa);

// Something that the code of an instruction set is compiled with, and whether this machine and its system have it.
struct Need {
    const char* name;
    bool met;
};

// What was compiled for this kind of processor, best first; the last is scalar, which needs nothing.
std::vector<Isa> compiled_isas();

std::vector<Need> isa_needs(Isa isa);

// Those whose needs are all met.
std::vector<Isa> supported_isas();

// Instructions beyond those sets, each detected for itself.
struct CpuFeatures {
    bool avx512_vnni = false;       // vpdpbusd zmm
    bool avx512_vpopcntdq = false;  // vpopcntq zmm
    bool avx_vnni = false;          // vpdpbusd ymm
    bool amx_tile = false;          // tiles, which the system keeps; whether a process may use them: amx_ready()
    bool amx_int8 = false;          // tdpbssd and the like
    bool dotprod = false;           // sdot, udot
};

const CpuFeatures& cpu_features();

// Throws std::invalid_argument for a name that is unknown or that this machine cannot run.
Isa isa_from_name(const std::string& name);

}  // namespace rsir
