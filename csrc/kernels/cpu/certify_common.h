// The parts of certify that need no instruction by name: included by each certify_<isa>.cpp into its own anonymous
// namespace, so that the compiler vectorises them for that instruction set.

std::int32_t float_bits(float value) {
    std::int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

float float_from_bits(std::int32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Maps the bits of a float to an integer in the same order.
std::int32_t ordered(std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

float select(const float* values, std::int64_t count, std::int64_t k) {
    std::int32_t low = 0x7fffffff, high = ~low;
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int32_t value = ordered(float_bits(values[i]));
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    while (low < high) {
        const auto middle = static_cast<std::int32_t>((std::int64_t{low} + high) >> 1);
        const float limit = float_from_bits(ordered(middle));
        std::int32_t below = 0;
        for (std::int64_t i = 0; i < count; ++i) below += values[i] <= limit ? 1 : 0;
        if (below < k) {
            low = middle + 1;
        } else {
            high = middle;
            if (below <= k + k / 8 + 8) break;
        }
    }
    return float_from_bits(ordered(high));
}
