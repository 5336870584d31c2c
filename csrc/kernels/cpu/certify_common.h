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

constexpr int kWidth = 16;

// The largest |v|, infinite if one is infinite or not a number.
float largest_of(const float* v, std::int64_t size) {
    // The bits of |v| grow with |v|; NaN and infinity come out largest.
    std::int32_t largest = 0;
    for (std::int64_t i = 0; i < size; ++i) {
        const std::int32_t bits = float_bits(v[i]) & 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    return largest > float_bits(kLargest) ? INFINITY : float_from_bits(largest);
}

float square_sum(const float* v, std::int64_t size) {
    float squares[kWidth] = {};
    for (std::int64_t i = 0; i < size; i += kWidth) {
        for (int j = 0; j < kWidth; ++j) squares[j] += v[i + j] * v[i + j];
    }
    float sum = 0;
    for (const float square : squares) sum += square;
    return sum;
}

// Codes are v / step, rounded to nearest.
template <class Integer>
Code quantize(const float* v, std::int64_t d, std::int64_t size, float step, double square_norm, Integer* codes) {
    const float inverse = step == 0.0f ? 0.0f : 1.0f / step;
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
    double products[kWidth] = {};
    std::int32_t sums[kWidth] = {}, norms[kWidth] = {};
    for (std::int64_t i = 0; i < size; i += kWidth) {
        for (int j = 0; j < kWidth; ++j) {
            const float rounded = (v[i + j] * inverse + kRound) - kRound;
            const auto code = static_cast<std::int32_t>(rounded);
            products[j] += static_cast<double>(v[i + j]) * static_cast<double>(rounded);
            sums[j] += code;
            norms[j] += code * code;
            codes[i + j] = static_cast<Integer>(code);
        }
    }
    double product = 0;
    std::int32_t sum = 0;
    std::int64_t norm = 0;
    for (int j = 0; j < kWidth; ++j) {
        product += products[j];
        sum += sums[j];
        norm += norms[j];
    }
    const float scale = norm == 0 ? 0.0f : static_cast<float>(product / static_cast<double>(norm));
    float squares[kWidth] = {};
    for (std::int64_t i = 0; i < size; i += kWidth) {
        for (int j = 0; j < kWidth; ++j) {
            const float p = v[i + j] - scale * static_cast<float>(codes[i + j]);
            squares[j] += p * p;
        }
    }
    double square = 0;
    for (const float part : squares) square += static_cast<double>(part);
    const double wide = static_cast<double>(scale);
    const double radius = std::sqrt(square) * (1 + 0x1p-9) + std::sqrt(square_norm) * 0x1p-21 +
                          std::sqrt(static_cast<double>(d)) * 0x1p-74;
    // + 2^-22 of itself: no less than the next float above.
    return {scale, static_cast<float>(radius * (1 + 0x1p-22)), wide * wide * static_cast<double>(norm), sum, false};
}

constexpr Code kWild = {0.0f, 0.0f, 0.0, 0, true};

Code quantize8(const float* v, std::int64_t d, std::int64_t size, std::int32_t limit, std::int8_t* codes) {
    const float largest = largest_of(v, size);
    if (largest == INFINITY) {
        std::memset(codes, 0, static_cast<std::size_t>(size));
        return kWild;
    }
    const float step = largest < 0x1p-100f ? 0.0f : largest / static_cast<float>(limit);
    return quantize(v, d, size, step, static_cast<double>(square_sum(v, size)), codes);
}

Code quantize16(const float* v, std::int64_t d, std::int64_t size, std::int16_t* codes) {
    const float largest = largest_of(v, size);
    if (largest == INFINITY) {
        std::memset(codes, 0, static_cast<std::size_t>(size) * sizeof *codes);
        return kWild;
    }
    const auto square_norm = static_cast<double>(square_sum(v, size));
    // Rounding adds at most sqrt(d) / 2 <= 128 to |c|: below 46340 = sqrt(2^31).
    const double step =
        std::fmax(static_cast<double>(largest) / 32766.0, std::sqrt(square_norm) * (1 + 0x1p-9) / 46000);
    return quantize(v, d, size, largest < 0x1p-60f ? 0.0f : static_cast<float>(step), square_norm, codes);
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
        std::int32_t below = 0;
        for (std::int64_t i = 0; i < count; ++i) below += ordered(float_bits(values[i])) <= middle ? 1 : 0;
        if (below < k) {
            low = middle + 1;
        } else {
            high = middle;
            if (below <= k + k / 8 + 8) break;
        }
    }
    return float_from_bits(ordered(high));
}
