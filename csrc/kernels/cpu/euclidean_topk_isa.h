// What one instruction set contributes to euclidean_topk: the canonical distance of two float64 vectors.
#pragma once

#include <cstdint>

namespace rsir {

// a, b: `size` float64 each, size a multiple of kLanes, padded with zeros.
using SquaredDistance = double (*)(const double* a, const double* b, std::int64_t size);

double squared_distance_scalar(const double* a, const double* b, std::int64_t size);
double squared_distance_avx2(const double* a, const double* b, std::int64_t size);

}  // namespace rsir
