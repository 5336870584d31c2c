#include <arm_neon.h>

#include "kernels/cpu/gaussian_normalize_loops.h"

namespace rsir {
namespace {

struct Vector {
    struct Type {
        float64x2_t low, high;
    };
    static constexpr std::int64_t kWidth = 4;
    static constexpr bool kStreams = false;  // cores of this kind see that whole lines are written, and read none

    static Type load(const float* from) {
        const float32x4_t four = vld1q_f32(from);
        return {vcvt_f64_f32(vget_low_f32(four)), vcvt_high_f64_f32(four)};
    }
    static Type load(const double* from) { return {vld1q_f64(from), vld1q_f64(from + 2)}; }
    static Type zero() { return set(0.0); }
    static Type set(double value) { return {vdupq_n_f64(value), vdupq_n_f64(value)}; }
    static Type add(Type a, Type b) { return {vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)}; }
    static Type sub(Type a, Type b) { return {vsubq_f64(a.low, b.low), vsubq_f64(a.high, b.high)}; }
    static Type mul(Type a, Type b) { return {vmulq_f64(a.low, b.low), vmulq_f64(a.high, b.high)}; }
    static double fold(Type lanes) { return vaddvq_f64(vaddq_f64(lanes.low, lanes.high)); }
    static float64x2_t quiet(float64x2_t value) { return vbslq_f64(vceqq_f64(value, value), value, vdupq_n_f64(kNaN)); }
    static Type quiet(Type value) { return {quiet(value.low), quiet(value.high)}; }
    static void put(double* to, Type value) {
        vst1q_f64(to, value.low);
        vst1q_f64(to + 2, value.high);
    }
    static void store(float* to, Type value) { vst1q_f32(to, vcvt_high_f32_f64(vcvt_f32_f64(value.low), value.high)); }
};

}  // namespace

const GaussianPasses gaussian_passes_neon = gaussian_passes<Vector>("neon");

}  // namespace rsir
