#include "kernels/cpu/euclidean_topk_isa.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

double squared_distance(const double* a, const double* b, std::int64_t size) {
    double lanes[kLanes] = {};
    for (std::int64_t i = 0; i < size; i += kLanes) {
        for (std::int64_t j = 0; j < kLanes; ++j) {
            const double difference = a[i + j] - b[i + j];
            lanes[j] += difference * difference;
        }
    }
    return fold_lanes(lanes);
}

}  // namespace

const SquaredDistance squared_distance_neon = {"neon", squared_distance};

}  // namespace rsir
