#include "kernels/cpu/gaussian_normalize_isa.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

double sum(const double* row, std::int64_t size) {
    double lanes[kLanes] = {};
    for (std::int64_t i = 0; i < size; i += kLanes) {
        for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] += row[i + j];
    }
    return fold_lanes(lanes);
}

double centre(double* row, std::int64_t d, std::int64_t size, double mu) {
    for (std::int64_t i = 0; i < d; ++i) row[i] -= mu;
    double lanes[kLanes] = {};
    for (std::int64_t i = 0; i < size; i += kLanes) {
        for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] += row[i + j] * row[i + j];
    }
    return fold_lanes(lanes);
}

void scale(const double* row, std::int64_t d, double factor, float* out) {
    for (std::int64_t i = 0; i < d; ++i) out[i] = static_cast<float>(0.5 + row[i] * factor);
}

}  // namespace

const GaussianPasses gaussian_passes_neon = {"neon", sum, centre, scale};

}  // namespace rsir
