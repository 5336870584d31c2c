#include <arm_neon.h>

#include "kernels/cpu/canonical_distance_lanes.h"

namespace rsir {
namespace {

struct Vector {
    static constexpr int kWidth = 2;
    using Doubles = float64x2_t;

    static Doubles zero() { return vdupq_n_f64(0.0); }
    static Doubles load(const double* p) { return vld1q_f64(p); }
    static Doubles load(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
    static Doubles load(const Float16* p) {
        return vcvt_f64_f32(vget_low_f32(vcvt_f32_f16(vreinterpret_f16_u16(load_two(&p->bits)))));
    }
    static Doubles load(const BFloat16* p) {
        return vcvt_f64_f32(vget_low_f32(vreinterpretq_f32_u32(vshll_n_u16(load_two(&p->bits), 16))));
    }
    static void store(double* p, Doubles a) { vst1q_f64(p, a); }
    static Doubles add(Doubles a, Doubles b) { return vaddq_f64(a, b); }
    static Doubles subtract(Doubles a, Doubles b) { return vsubq_f64(a, b); }
    static Doubles subtract_too(Doubles a, Doubles b) { return vsubq_f64(a, b); }
    static Doubles multiply(Doubles a, Doubles b) { return vmulq_f64(a, b); }
    static void fold(const Doubles* v, double* out) { store(out, vpaddq_f64(v[0], v[1])); }

  private:
    static uint16x4_t load_two(const std::uint16_t* p) {
        std::uint32_t two;
        __builtin_memcpy(&two, p, sizeof two);
        return vreinterpret_u16_u32(vdup_n_u32(two));
    }
};

using BestTile = Tile<Vector, 4, 5>;

}  // namespace

const CanonicalDistance canonical_distance_neon = {
    "neon", 4, 5, BestTile::kCapacity, pack<Vector>, BestTile::run, widen<Vector>, gather<Vector>,
};

}  // namespace rsir
