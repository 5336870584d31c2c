#include "kernels/cpu/canonical_distance_lanes.h"

namespace rsir {
namespace {

float float_from_bits(std::uint32_t bits) {
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

float widen(Float16 half) {
    const std::uint32_t sign = (half.bits & 0x8000u) << 16, exponent = (half.bits >> 10) & 31u;
    const std::uint32_t fraction = half.bits & 0x3ffu;
    if (exponent == 31) return float_from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent != 0) return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
}

float widen(BFloat16 half) { return float_from_bits(std::uint32_t{half.bits} << 16); }
float widen(float value) { return value; }
double widen(double value) { return value; }

// Two numbers in plain C++: what every machine has in one register, and compilers see.
struct Vector {
    static constexpr int kWidth = 2;
    struct Doubles {
        double a, b;
    };

    static Doubles zero() { return {0.0, 0.0}; }
    template <class T>
    static Doubles load(const T* p) {
        return {widen(p[0]), widen(p[1])};
    }
    static void store(double* p, Doubles v) {
        p[0] = v.a;
        p[1] = v.b;
    }
    static Doubles add(Doubles v, Doubles w) { return {v.a + w.a, v.b + w.b}; }
    static Doubles subtract(Doubles v, Doubles w) { return {v.a - w.a, v.b - w.b}; }
    static Doubles subtract_too(Doubles v, Doubles w) { return subtract(v, w); }
    static Doubles multiply(Doubles v, Doubles w) { return {v.a * w.a, v.b * w.b}; }
    static void fold(const Doubles* v, double* out) {
        out[0] = v[0].a + v[0].b;
        out[1] = v[1].a + v[1].b;
    }
};

using BestTile = Tile<Vector, 2, 2>;

}  // namespace

const CanonicalDistance canonical_distance_scalar = {
    "scalar", 2, 2, BestTile::kCapacity, pack<Vector>, BestTile::run, widen<Vector>, gather<Vector>,
};

void widen_row(const Rows& matrix, std::int64_t row, double* out) {
    by_element(matrix, [&](const auto* data) {
        for (std::int64_t i = 0; i < matrix.d; ++i) out[i] = widen(data[row * matrix.d + i]);
    });
}

}  // namespace rsir
