#include "kernels/cpu/isa.h"

#include <algorithm>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace rsir {
namespace {

#if defined(__x86_64__)
// The configuration and the data of tiles are among what it saves when threads change.
bool system_keeps_tiles() {
    constexpr unsigned kAsked = 1u << 27, kTiles = 3u << 17;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kAsked)) return false;
    asm("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & kTiles) == kTiles;
}
#endif

CpuFeatures detect_features() {
    CpuFeatures found;
#if defined(__x86_64__)
    found.avx512_vnni = __builtin_cpu_supports("avx512vnni");
    found.avx512_vpopcntdq = __builtin_cpu_supports("avx512vpopcntdq");
    // Unknown to __builtin_cpu_supports of GCC 12; the operating system's part is that of AVX2.
    unsigned a = 0, b = 0, c = 0, d = 0;
    found.avx_vnni = __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1u);
    if (system_keeps_tiles() && __get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        found.amx_tile = d >> 24 & 1u;
        found.amx_int8 = d >> 25 & 1u;
    }
#elif defined(__aarch64__)
    constexpr unsigned long kHwcapDotProduct = 1ul << 20;
    found.dotprod = getauxval(AT_HWCAP) & kHwcapDotProduct;
#endif
    return found;
}

}  // namespace

const char* isa_name(Isa isa) {
    switch (isa) {
        case Isa::amx:
            return "amx";
        case Isa::avx512:
            return "avx512";
        case Isa::avx2:
            return "avx2";
        case Isa::neon:
            return "neon";
        default:
            return "scalar";
    }
}

const CpuFeatures& cpu_features() {
    static const CpuFeatures features = detect_features();
    return features;
}

std::vector<Isa> compiled_isas() {
#if defined(__x86_64__)
    return {Isa::amx, Isa::avx512, Isa::avx2, Isa::scalar};
#elif defined(__aarch64__)
    return {Isa::neon, Isa::scalar};
#else
    return {Isa::scalar};
#endif
}

std::vector<Need> isa_needs(Isa isa) {
#if defined(__x86_64__)
    // It asks the processor, and the operating system whether it keeps the registers.
#define NEED(name) {#name, __builtin_cpu_supports(#name) != 0},
    if (isa == Isa::amx) {
        return {RSIR_NEEDS_avx512{"avx512_vnni", cpu_features().avx512_vnni},
                {"amx_tile", cpu_features().amx_tile},
                {"amx_int8", cpu_features().amx_int8}};
    }
    if (isa == Isa::avx512) return {RSIR_NEEDS_avx512};
    if (isa == Isa::avx2) return {RSIR_NEEDS_avx2};
#undef NEED
#else
    (void)isa;
#endif
    return {};
}

std::vector<Isa> supported_isas() {
    std::vector<Isa> isas;
    for (const Isa isa : compiled_isas()) {
        const std::vector<Need> needs = isa_needs(isa);
        if (std::all_of(needs.begin(), needs.end(), [](const Need& need) { return need.met; })) isas.push_back(isa);
    }
    return isas;
}

Isa isa_from_name(const std::string& name) {
    static const std::vector<Isa> supported = supported_isas();
    for (const Isa isa : supported) {
        if (name == isa_name(isa)) return isa;
    }
    std::string names;
    for (const Isa isa : supported) names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
    throw std::invalid_argument("expected an instruction set that this machine runs (" + names + "), got '" + name +
                                "'; unset RSIR_FORCE_ISA to take the best one");
}

}  // namespace rsir
