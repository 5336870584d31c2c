// The tiles of certify_amx, compiled with a model of the instructions (amx_model.h): on a processor with AVX-512 and
// VNNI, which do the rest.
#pragma once

#include <cstdint>

#include "kernels/cpu/certify.h"

namespace rsir::test {

struct TileCounts {
    std::int64_t configured = 0, released = 0, loads = 0, dots = 0;
};

extern const Certify certify_amx_model;

// By this thread so far.
TileCounts amx_model_counts();

bool amx_model_multiplies();

// The products of `count` queries (as store_query stores them) and `groups` panels: sums [groups][count][16 rows].
void amx_model_sums(bool is8, const Panels& panels, const std::uint32_t* chosen, std::int64_t groups,
                    const std::int8_t* codes, std::int64_t count, std::int32_t* sums);

}  // namespace rsir::test
