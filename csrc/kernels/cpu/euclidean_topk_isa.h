// What one instruction set contributes to euclidean_topk: the canonical distance of two float64 vectors.
#pragma once

#include <cstdint>

namespace rsir {

struct SquaredDistance {
    const char* isa;
    // a, b: `size` float64 each, size a multiple of kLanes, padded with zeros.
    double (*run)(const double* a, const double* b, std::int64_t size);
};

extern const SquaredDistance squared_distance_scalar;
extern const SquaredDistance squared_distance_neon;
extern const SquaredDistance squared_distance_avx2;
extern const SquaredDistance squared_distance_avx512;

}  // namespace rsir
