#include <arm_neon.h>

#include "kernels/cpu/pack_codes_isa.h"

namespace rsir {
namespace {

// The bits of 8 values in the lanes of a vector: all ones where the value is > 0.
uint16x8_t positive(const float* values) {
    const uint32x4_t low = vcgtzq_f32(vld1q_f32(values)), high = vcgtzq_f32(vld1q_f32(values + 4));
    return vuzp1q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}

uint16x8_t positive(const double* values) {
    const uint64x2_t a = vcgtzq_f64(vld1q_f64(values)), b = vcgtzq_f64(vld1q_f64(values + 2));
    const uint64x2_t c = vcgtzq_f64(vld1q_f64(values + 4)), d = vcgtzq_f64(vld1q_f64(values + 6));
    const uint32x4_t low = vuzp1q_u32(vreinterpretq_u32_u64(a), vreinterpretq_u32_u64(b));
    const uint32x4_t high = vuzp1q_u32(vreinterpretq_u32_u64(c), vreinterpretq_u32_u64(d));
    return vuzp1q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}

template <class T>
void pack_bytes(const T* values, std::int64_t bytes, std::uint8_t* codes) {
    const uint16x8_t weights = {1, 2, 4, 8, 16, 32, 64, 128};
    for (std::int64_t i = 0; i < bytes; ++i) {
        codes[i] = static_cast<std::uint8_t>(vaddvq_u16(vandq_u16(positive(values + 8 * i), weights)));
    }
}

}  // namespace

const PackBytes pack_bytes_neon = {"neon", pack_bytes<float>, pack_bytes<double>};

}  // namespace rsir
