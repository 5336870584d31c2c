#include <arm_neon.h>

#include "kernels/cpu/single_distance_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 4;
    using Floats = float32x4_t;

    static Floats zero() { return vdupq_n_f32(0.0f); }
    static Floats load(const float* p) { return vld1q_f32(p); }
    static Floats load(const Float16* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&p->bits))); }
    static Floats load(const BFloat16* p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(&p->bits), 16)); }
    static void store(float* p, Floats a) { vst1q_f32(p, a); }
    static Floats subtract(Floats a, Floats b) { return vsubq_f32(a, b); }
    static Floats add_product(Floats sum, Floats a, Floats b) { return vfmaq_f32(sum, a, b); }

    static void fold(const float (*lanes)[kWidth], float* out) {
        const Floats first = vpaddq_f32(load(lanes[0]), load(lanes[1]));
        store(out, vpaddq_f32(first, vpaddq_f32(load(lanes[2]), load(lanes[3]))));
    }
};

using BestTile = SingleTile<Vector, 4, 5>;

}  // namespace

const SingleDistance single_distance_neon = {
    "neon", 4, 5, BestTile::kCapacity, Vector::kWidth, pack_single<Vector>, BestTile::run,
};

}  // namespace rsir
