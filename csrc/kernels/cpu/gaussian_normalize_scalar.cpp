#include "kernels/cpu/gaussian_normalize_loops.h"

namespace rsir {
namespace {

struct Vector {
    using Type = double;
    static constexpr std::int64_t kWidth = 1;
    static constexpr bool kStreams = false;

    static Type load(const float* from) { return static_cast<double>(*from); }
    static Type load(const double* from) { return *from; }
    static Type zero() { return 0.0; }
    static Type set(double value) { return value; }
    static Type add(Type a, Type b) { return a + b; }
    static Type sub(Type a, Type b) { return a - b; }
    static Type mul(Type a, Type b) { return a * b; }
    static double fold(Type lanes) { return lanes; }
    static Type quiet(Type value) { return value == value ? value : kNaN; }
    static void put(double* to, Type value) { *to = value; }
    static void store(float* to, Type value) { *to = static_cast<float>(value); }
};

}  // namespace

const GaussianPasses gaussian_passes_scalar = gaussian_passes<Vector>("scalar");

}  // namespace rsir
