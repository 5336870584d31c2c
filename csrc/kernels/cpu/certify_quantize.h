// Codes of vectors, with the proof of certify.h under "Quantisation": included by each certify_<isa>.cpp into its own
// anonymous namespace after certify_common.h, so that the compiler vectorises it for that instruction set.

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
constexpr int kNative = kVectorBytes / 4;
// Whatever the instruction set, 16 lanes: sums of a sidecar have the same bits on all of them.
constexpr int kWidth = 16, kParts = kWidth / kNative;
// Vectors by name, because GCC 12 does not find the widest ones in sums whose order is given.
typedef float Floats __attribute__((vector_size(kVectorBytes)));
typedef std::int32_t Ints __attribute__((vector_size(kVectorBytes)));
typedef double Doubles __attribute__((vector_size(kVectorBytes)));
typedef std::int8_t Codes8 __attribute__((vector_size(kNative)));
typedef std::int16_t Codes16 __attribute__((vector_size(2 * kNative)));

template <class Vector>
inline Vector load(const void* from) {
    Vector vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

// The first and the second half of a vector, widened.
#if defined(__AVX512F__)
inline Doubles first_half(Floats x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
inline Doubles second_half(Floats x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }
#elif defined(__AVX__)
inline Doubles first_half(Floats x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
inline Doubles second_half(Floats x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }
#else
inline Doubles first_half(Floats x) { return Doubles{x[0], x[1]}; }
inline Doubles second_half(Floats x) { return Doubles{x[2], x[3]}; }
#endif

// The sum of lanes: lane j += lane j + count / 2, and so on. The bounds allow for any order.
template <class Number>
inline Number total(Number* numbers, int count) {
    for (int half = count / 2; half >= 1; half /= 2) {
        for (int j = 0; j < half; ++j) numbers[j] += numbers[j + half];
    }
    return numbers[0];
}
inline double total(const Floats (&lanes)[kParts]) {
    float numbers[kWidth];
    std::memcpy(numbers, lanes, sizeof lanes);
    return static_cast<double>(total(numbers, kWidth));
}
inline double total(const Doubles (&lanes)[2 * kParts]) {
    double numbers[kWidth];
    std::memcpy(numbers, lanes, sizeof lanes);
    return total(numbers, kWidth);
}
inline std::int32_t total(const Ints& vector) {
    std::int32_t numbers[kNative];
    std::memcpy(numbers, &vector, sizeof vector);
    return total(numbers, kNative);
}

float single_from_half(std::uint16_t half) {
    // Read as a float, exponent and fraction are 2^112 times too small; also where they are subnormal.
    const float magnitude = float_from_bits((half & 0x7fff) << 13) * 0x1p112f;
    const std::int32_t bits = float_bits(magnitude) | (half & 0x8000) << 16;
    return float_from_bits((half & 0x7c00) == 0x7c00 ? bits | 0x7f800000 : bits);
}

void centre(const Rows& rows, std::int64_t row, const float* mean, float* v) {
    const std::int64_t d = rows.d;
    const auto subtract = [&](const auto* all, auto widened) {
        const auto* y = all + row * d;
        if (mean == nullptr) {
            for (std::int64_t j = 0; j < d; ++j) v[j] = static_cast<float>(widened(y[j]));
        } else {
            for (std::int64_t j = 0; j < d; ++j) v[j] = static_cast<float>(widened(y[j]) - mean[j]);
        }
    };
    switch (rows.element) {
        case Element::float32:
            return subtract(static_cast<const float*>(rows.data), [](float x) { return x; });
        case Element::float64:
            return subtract(static_cast<const double*>(rows.data), [](double x) { return x; });
        case Element::float16:
            return subtract(static_cast<const std::uint16_t*>(rows.data), single_from_half);
        case Element::bfloat16:
            return subtract(static_cast<const std::uint16_t*>(rows.data), [](std::uint16_t x) {
                return float_from_bits(static_cast<std::int32_t>(std::uint32_t{x} << 16));
            });
    }
}

// The largest |v|, infinite if one is beyond kLargest, infinite or not a number.
float largest_of(const float* v, std::int64_t size) {
    // The bits of |v| grow with |v|; NaN and infinity come out largest.
    std::int32_t largest = 0;
    for (std::int64_t i = 0; i < size; ++i) {
        const std::int32_t bits = float_bits(v[i]) & 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    return largest > float_bits(kLargest) ? INFINITY : float_from_bits(largest);
}

double square_sum(const float* v, std::int64_t size) {
    Floats squares[kParts] = {};
    for (std::int64_t i = 0; i < size; i += kWidth) {
#pragma GCC unroll 4
        for (int p = 0; p < kParts; ++p) {
            const auto x = load<Floats>(v + i + p * kNative);
            squares[p] += x * x;
        }
    }
    return total(squares);
}

inline void store_codes(Ints codes, std::int8_t* out) {
    const Codes8 narrow = __builtin_convertvector(codes, Codes8);
    std::memcpy(out, &narrow, sizeof narrow);
}
inline void store_codes(Ints codes, std::int16_t* out) {
    const Codes16 narrow = __builtin_convertvector(codes, Codes16);
    std::memcpy(out, &narrow, sizeof narrow);
}

// |v - scale * codes|^2, each difference rounded: for v so near to its codes that no difference of squares tells.
template <class Integer>
double direct_square(const float* v, std::int64_t size, float scale, const Integer* codes) {
    float squares[kWidth] = {};
    for (std::int64_t i = 0; i < size; i += kWidth) {
        for (int j = 0; j < kWidth; ++j) {
            const float p = v[i + j] - scale * static_cast<float>(codes[i + j]);
            squares[j] += p * p;
        }
    }
    return static_cast<double>(total(squares, kWidth));
}

// Codes are v / step, rounded to nearest. step has so few bits that its product with a code is exact.
template <class Integer>
Code quantize(const float* v, std::int64_t d, std::int64_t size, float step, Integer* codes) {
    const float inverse = step == 0.0f ? 0.0f : 1.0f / step;
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer, in the low bits
    const std::int32_t offset = float_bits(kRound);
    Floats squares[kParts] = {};
    Doubles products[2 * kParts] = {};
    Ints sums = {}, norms = {};
    for (std::int64_t i = 0; i < size; i += kWidth) {
#pragma GCC unroll 4
        for (int p = 0; p < kParts; ++p) {
            const auto x = load<Floats>(v + i + p * kNative);
            const Floats shifted = x * inverse + kRound, rounded = shifted - kRound;
            const Floats error = x - step * rounded;
            squares[p] += error * error;
            products[2 * p] += first_half(x) * first_half(rounded);
            products[2 * p + 1] += second_half(x) * second_half(rounded);
            const Ints code = reinterpret_cast<Ints>(shifted) - offset;
            sums += code;
            norms += code * code;
            store_codes(code, codes + i + p * kNative);
        }
    }
    const double product = total(products), norm = total(norms);
    const float scale = norm == 0 ? 0.0f : static_cast<float>(product / norm);
    const double s = static_cast<double>(scale), t = static_cast<double>(step), h = s - t;
    const double growth = 1 + static_cast<double>(size / kWidth + 32) * 0x1p-24, square = growth * total(squares);
    double left = square - h * (2 * (product - t * norm) - h * norm);
    if (left < square / 2) left = growth * direct_square(v, size, scale, codes);
    const double residual = std::sqrt(left), own = s * s * norm;
    const double radius =
        residual + (std::sqrt(own) + residual) * 0x1p-22 + std::sqrt(static_cast<double>(d)) * 0x1p-74;
    // + 2^-22 of itself: no less than the next float above.
    return {scale, static_cast<float>(radius * (1 + 0x1p-22)), own, total(sums), false};
}

constexpr Code kWild = {0.0f, 0.0f, 0.0, 0, true};

// The least number of no more than 24 - `bits` bits that is at least `step`.
float rounded_step(float step, int bits) {
    const std::int32_t mask = (1 << bits) - 1;
    return float_from_bits((float_bits(step) + mask) & ~mask);
}

Code quantize8(const float* v, std::int64_t d, std::int64_t size, std::int32_t limit, std::int8_t* codes) {
    const float largest = largest_of(v, size);
    if (largest == INFINITY) {
        std::memset(codes, 0, static_cast<std::size_t>(size));
        return kWild;
    }
    const float step = largest < 0x1p-100f ? 0.0f : rounded_step(largest / static_cast<float>(limit), 7);
    return quantize(v, d, size, step, codes);
}

Code quantize16(const float* v, std::int64_t d, std::int64_t size, std::int16_t* codes) {
    const float largest = largest_of(v, size);
    if (largest == INFINITY) {
        std::memset(codes, 0, static_cast<std::size_t>(size) * sizeof *codes);
        return kWild;
    }
    // Rounding adds at most sqrt(d) / 2 <= 128 to |c|: below 46340 = sqrt(2^31).
    const double step =
        std::fmax(static_cast<double>(largest) / 32766.0, std::sqrt(square_sum(v, size)) * (1 + 0x1p-9) / 46000);
    return quantize(v, d, size, largest < 0x1p-60f ? 0.0f : rounded_step(static_cast<float>(step), 15), codes);
}
