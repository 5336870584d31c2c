#include <arm_neon.h>

#include "kernels/cpu/single_product_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 4;
    using Floats = float32x4_t;

    static Floats zero() { return vdupq_n_f32(0.0f); }
    static Floats load(const float* p) { return vld1q_f32(p); }
    static void store(float* p, Floats a) { vst1q_f32(p, a); }
    static Floats add_product(Floats sum, Floats a, Floats b) { return vfmaq_f32(sum, a, b); }

    static void fold(const float (*lanes)[kWidth], float* out) {
        const Floats first = vpaddq_f32(load(lanes[0]), load(lanes[1]));
        store(out, vpaddq_f32(first, vpaddq_f32(load(lanes[2]), load(lanes[3]))));
    }
};

using BestTile = SingleTile<Vector, 4, 5>;

}  // namespace

const SingleProduct single_product_neon = {
    "neon",      4,    5,    BestTile::kCapacity, Vector::kWidth,           2, BestTile::run,
    store<4, 5>, turn, norm, distances,           place<settle<PlainMarks>>};

}  // namespace rsir
