#include "certify_amx_model.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/cpu/immintrin_avx512.h"

namespace rsir {
namespace {

#include "amx_model.h"
#include "kernels/cpu/certify_avx512.h"
#include "kernels/cpu/certify_common.h"
#include "kernels/cpu/certify_quantize.h"
#include "kernels/cpu/certify_tiles.h"

}  // namespace

namespace test {

const Certify certify_amx_model = {"avx512", kInt8,  kInt16, centre,    quantize8, quantize16,
                                   select,   widest, filter, test_rows, test_pairs};

TileCounts amx_model_counts() { return model.counts; }

bool amx_model_multiplies() { return multiplies(); }

void amx_model_sums(bool is8, const Panels& panels, const std::uint32_t* chosen, std::int64_t groups,
                    const std::int8_t* codes, std::int64_t count, std::int32_t* sums) {
    const auto sink = [&](std::int64_t first, std::int64_t size, std::int64_t g, const std::int32_t* found) {
        std::memcpy(sums + (g * count + first) * kTile, found, static_cast<std::size_t>(size * kTile) * 4);
    };
    if (is8) {
        products8(panels, chosen, groups, codes, count, sink);
    } else {
        products16(panels, chosen, groups, codes, count, sink);
    }
}

}  // namespace test
}  // namespace rsir
