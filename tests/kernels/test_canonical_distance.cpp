#include <algorithm>
#include <cmath>

#include "check.h"
#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/lanes.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// Every NaN is one.
std::vector<double> canonical(std::vector<double> values) {
    for (double& value : values) value = std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
    return values;
}

float half_to_float(std::uint16_t bits) {
    const int exponent = bits >> 10 & 31;
    const double fraction = bits & 1023;
    const double size = exponent == 31  ? (fraction > 0 ? std::nan("") : HUGE_VAL)
                        : exponent == 0 ? std::ldexp(fraction, -24)
                                        : std::ldexp(1024 + fraction, exponent - 25);
    return static_cast<float>((bits & 0x8000) != 0 ? -size : size);
}

float bfloat_to_float(std::uint16_t bits) {
    const std::uint32_t wide = std::uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
}

// `stored` [n, d] as it lies in memory, and the same numbers as `values`, of which the first row is the query.
template <class T>
void check_rows(const Rows& stored, const std::vector<T>& values, std::int64_t n, std::int64_t d) {
    std::vector<double> expected;
    for (std::int64_t j = 0; j < n; ++j) {
        expected.push_back(wide_squared_distance(values.data(), values.data() + j * d, d));
    }
    expected = canonical(expected);
    const std::int64_t size = padded(d);
    for (const Isa isa : supported_isas()) {
        const CanonicalDistance& distance = canonical_distance(isa);
        const Case here(distance.isa, " n=", n, " d=", d, " element=", static_cast<int>(stored.element));
        Output<double> query(size);
        distance.widen(stored, 0, query.data());
        CHECK(query.sentinels_intact());

        Output<double> gathered(n);
        distance.gather(query.data(), stored, nullptr, n, 0, gathered.data());
        std::vector<double> found(gathered.data(), gathered.data() + n);
        CHECK(gathered.sentinels_intact());
        CHECK(std::memcmp(canonical(found).data(), expected.data(), expected.size() * sizeof(double)) == 0);

        std::vector<std::uint32_t> ids;
        for (std::int64_t j = 0; j < n; j += 2) ids.push_back(static_cast<std::uint32_t>(n - 1 - j));
        const Exact<std::uint32_t> exact_ids(ids);
        distance.gather(query.data(), stored, exact_ids.data(), static_cast<std::int64_t>(ids.size()), 0, found.data());
        found = canonical(found);
        for (std::size_t j = 0; j < ids.size(); ++j) {
            CHECK(std::memcmp(&found[j], &expected[ids[j]], sizeof(double)) == 0);
        }

        Output<double> queries(distance.queries * size), rows(distance.rows * size), out(distance.capacity);
        distance.pack(stored, nullptr, 0, 1, distance.queries, queries.data());
        for (std::int64_t first = 0; first < n; first += distance.rows) {
            const std::int64_t count = std::min<std::int64_t>(distance.rows, n - first);
            std::vector<std::int64_t> chosen;
            for (std::int64_t j = 0; j < n; ++j) chosen.push_back(n - 1 - j);
            for (const bool by_id : {false, true}) {
                distance.pack(stored, by_id ? chosen.data() : nullptr, first, count, distance.rows, rows.data());
                distance.tile(queries.data(), rows.data(), size, out.data());
                for (std::int64_t j = 0; j < count; ++j) {
                    const std::int64_t row = by_id ? n - 1 - first - j : first + j;
                    const double squared = canonical({out.data()[j]})[0];
                    CHECK(std::memcmp(&squared, &expected[static_cast<std::size_t>(row)], sizeof squared) == 0);
                }
            }
        }
        CHECK(queries.sentinels_intact() && rows.sentinels_intact() && out.sentinels_intact());
    }
}

template <class T>
void check_sizes() {
    Random random(1);
    for (const std::int64_t d : sizes({1, 2, 31, 32, 33, 63, 64, 65, 130}, {1, 33, 130})) {
        for (const std::int64_t n : sizes({1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 50}, {1, 7, 13})) {
            for (const Kind kind : kKinds) {
                const auto values = matrix<T>(random, n, d, kind);
                const Exact<T> exact(values);
                check_rows(rows_of(exact.data(), d), values, n, d);
            }
        }
    }
}

template <class Widen>
void check_half(Element element, const Widen& widen) {
    for (const std::int64_t d : sizes({8, 31, 32, 33, 45}, {45})) {
        std::vector<std::uint16_t> bits;
        for (std::int64_t i = 0; i < 0x10000 / d * d; ++i) bits.push_back(static_cast<std::uint16_t>(i * 7));
        std::vector<float> values;
        for (const std::uint16_t b : bits) values.push_back(widen(b));
        const Exact<std::uint16_t> exact(bits);
        check_rows({exact.data(), element, d}, values, static_cast<std::int64_t>(bits.size()) / d, d);
    }
}

}  // namespace

TEST(float_sizes) { check_sizes<float>(); }
TEST(double_sizes) { check_sizes<double>(); }
TEST(float16) { check_half(Element::float16, half_to_float); }
TEST(bfloat16) { check_half(Element::bfloat16, bfloat_to_float); }
