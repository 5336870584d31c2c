// Codes of vectors: the true residual is within the radius, and the radius not much wider, on every table.
#include <algorithm>
#include <cmath>

#include "certify_tables.h"
#include "check.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// Scales of every size, and shapes that quantise badly.
std::vector<std::vector<float>> awkward_vectors(Random& random, std::int64_t d) {
    std::vector<std::vector<float>> all;
    const auto size = static_cast<std::size_t>(d);
    for (const float unit : {1.0f, 1e-30f, 1e-38f, 1e-45f, 0x1p-100f, 0x1p-60f, 0x1p-61f, 1e-3f, 1e9f, kLargest / 2}) {
        std::vector<float> even(size), outlier(size), steps(size);
        for (std::size_t j = 0; j < size; ++j) {
            even[j] = static_cast<float>(2 * random.uniform() - 1) * unit;
            outlier[j] = even[j] / 1000;
            // The middles between codes of a vector whose largest element is `unit`: the largest residuals.
            steps[j] = unit * (static_cast<float>(random.below(254)) - 126.5f) / 127;
        }
        outlier[random.below(size)] = unit;
        steps[0] = unit;
        all.insert(all.end(), {even, outlier, steps, std::vector<float>(size, unit), std::vector<float>(size, -unit)});
    }
    // Nearly along their codes: residuals about and below what rounding leaves of a difference of squares.
    for (int j = 4; j <= 24; ++j) {
        std::vector<float> nearly(size);
        for (float& value : nearly) value = static_cast<float>(1 + std::ldexp(2 * random.uniform() - 1, -j));
        all.push_back(nearly);
    }
    all.emplace_back(size, 0.0f);
    all.emplace_back(size, kLargest);
    return all;
}

template <class Integer>
void check_code(const std::vector<float>& v, std::int64_t d, std::int64_t size, const Code& code,
                const Output<Integer>& codes, double limit) {
    CHECK(!code.wild);
    CHECK(codes.sentinels_intact());
    long double square = 0, norm = 0, cross = 0, length = 0, largest = 0;
    std::int64_t whole = 0, sum = 0;
    for (std::int64_t j = 0; j < size; ++j) {
        const std::int64_t c = codes.data()[j];
        if (j >= d) CHECK(c == 0);
        const long double x = j < d ? v[static_cast<std::size_t>(j)] : 0.0f,
                          near = static_cast<long double>(code.scale) * c;
        CHECK(std::abs(static_cast<double>(c)) <= limit);
        square += (x - near) * (x - near);
        norm += near * near;
        cross += near * (x - near);
        length += x * x;
        largest = std::max(largest, std::abs(x));
        whole += c * c;
        sum += c;
    }
    CHECK(whole < std::int64_t{1} << 31);
    CHECK(sum == code.sum);
    const long double residual = std::sqrt(square), radius = code.radius,
                      floor = std::sqrt(static_cast<double>(d)) * 0x1p-73;
    CHECK(residual <= radius);
    CHECK(radius <= residual * (1 + 0x1p-8L) + std::sqrt(length) * 0x1p-20L + floor);
    CHECK(std::abs(static_cast<long double>(code.norm) - norm) <= norm * 0x1p-48L);
    CHECK(std::abs(cross) <= norm * 0x1p-23L + 0x1p-145L * std::sqrt(length));
    // Rounding to nearest; int16 steps are longer where the norm rule asks for it.
    const long double step = std::max(largest / limit, sizeof(Integer) == 2 ? std::sqrt(length) / 45800 : 0);
    CHECK(residual <= 0.51L * step * std::sqrt(static_cast<double>(d)) + floor + (largest < 0x1p-59L ? length : 0) +
                          (largest < 0x1p-59L ? std::sqrt(length) : 0));
}

void check_vector(const Certify& certify, const std::vector<float>& v) {
    const auto d = static_cast<std::int64_t>(v.size()), size = (d + 15) / 16 * 16;
    std::vector<float> full = v;
    full.resize(static_cast<std::size_t>(size));
    const Exact<float> exact(full);
    for (const std::int32_t limit : {127, certify.int8.query_limit}) {
        Output<std::int8_t> codes(size);
        const Code code = certify.quantize8(exact.data(), d, size, limit, codes.data());
        check_code(v, d, size, code, codes, limit);
    }
    Output<std::int16_t> codes(size);
    const Code code = certify.quantize16(exact.data(), d, size, codes.data());
    check_code(v, d, size, code, codes, 32766);
}

}  // namespace

TEST(quantised_vectors_are_within_their_radius) {
    for (const CertifyTable& entry : certify_tables()) {
        Random random(3);
        for (const std::int64_t d : sizes({1, 2, 15, 16, 17, 64, 129, 1000, 1 << 16}, {1, 17, 129})) {
            const Case here("table=", entry.name, " d=", d);
            for (const auto& v : awkward_vectors(random, d)) check_vector(*entry.certify, v);
            if (d > 2000) continue;
            for (int round = 0; round < (reduced() ? 20 : 300); ++round) {
                check_vector(*entry.certify, numbers<float>(random, d, Kind::uniform));
                check_vector(*entry.certify, numbers<float>(random, d, Kind::ties));
            }
        }
    }
}

TEST(wild_vectors_are_told) {
    const float infinity = std::numeric_limits<float>::infinity();
    for (const CertifyTable& entry : certify_tables()) {
        const Case here("table=", entry.name);
        const Certify& certify = *entry.certify;
        for (const std::int64_t d : {1, 16, 37}) {
            const auto size = static_cast<std::size_t>((d + 15) / 16 * 16);
            for (const float bad : {infinity, -infinity, std::nanf(""), -std::nanf(""), 1e30f, -1e30f,
                                    std::nextafter(kLargest, infinity), -std::numeric_limits<float>::max()}) {
                for (std::int64_t at = 0; at < d; ++at) {
                    std::vector<float> v(size);
                    std::fill_n(v.begin(), d, 0.5f);
                    v[static_cast<std::size_t>(at)] = bad;
                    Output<std::int8_t> codes(static_cast<std::int64_t>(size));
                    Output<std::int16_t> codes16_out(static_cast<std::int64_t>(size));
                    CHECK(certify.quantize8(v.data(), d, static_cast<std::int64_t>(size), 127, codes.data()).wild);
                    CHECK(certify.quantize16(v.data(), d, static_cast<std::int64_t>(size), codes16_out.data()).wild);
                    CHECK_BITS(codes, std::vector<std::int8_t>(size));
                    CHECK_BITS(codes16_out, std::vector<std::int16_t>(size));
                }
            }
        }
    }
}
