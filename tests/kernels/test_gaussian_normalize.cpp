#include "check.h"
#include "kernels/gaussian_normalize.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// Mean and standard deviation; a constant is told by its values, since the mean of equal numbers may be rounded.
struct Moments {
    explicit Moments(const std::vector<double>& values) {
        const double count = static_cast<double>(values.size());
        mu = lane_sum(values) / count;
        std::vector<double> squares;
        for (const double value : values) squares.push_back((value - mu) * (value - mu));
        sigma = std::sqrt(lane_sum(squares) / count);
        const auto same = [&](double value) { return value == values[0]; };
        if (std::isfinite(values[0]) && std::all_of(values.begin(), values.end(), same)) {
            mu = values[0];
            sigma = 0.0;
        }
    }
    float normalized(double value) const {
        if (!std::isfinite(sigma)) return std::numeric_limits<float>::quiet_NaN();
        if (sigma == 0.0) return 0.5f;
        return rounded(0.5 + (value - mu) * (1.0 / (6.0 * sigma)));
    }
    double mu, sigma;
};

// The numbers of [first, end) in steps, as float64.
template <class T>
std::vector<double> strided(const std::vector<T>& values, std::int64_t first, std::int64_t count, std::int64_t step) {
    std::vector<double> picked;
    for (std::int64_t i = 0; i < count; ++i) picked.push_back(values[static_cast<std::size_t>(first + i * step)]);
    return picked;
}

template <class T>
void check_rows(const std::vector<T>& features, std::int64_t n, std::int64_t d) {
    const Case here("rows n=", n, " d=", d, " bytes=", sizeof(T));
    std::vector<float> expected;
    for (std::int64_t i = 0; i < n && d > 0; ++i) {
        const Moments row(strided(features, i * d, d, 1));
        for (std::int64_t j = 0; j < d; ++j) {
            expected.push_back(row.normalized(features[static_cast<std::size_t>(i * d + j)]));
        }
    }
    const Exact<T> input(features);
    each_context([&](const Context& context) {
        Output<float> out(n * d);
        CHECK(gaussian_normalize(input.data(), n, d, out.data(), context) == Status::ok);
        CHECK_BITS(out, expected);
        if constexpr (sizeof(T) == sizeof(float)) {
            Output<float> in_place(n * d);
            std::copy(features.begin(), features.end(), in_place.data());
            CHECK(gaussian_normalize(in_place.data(), n, d, in_place.data(), context) == Status::ok);
            CHECK_BITS(in_place, expected);
        }
    });
}

template <class T>
void check_columns(const std::vector<T>& features, std::int64_t n, std::int64_t d) {
    const Case here("columns n=", n, " d=", d, " bytes=", sizeof(T));
    std::vector<double> expected_mu, expected_sigma;
    std::vector<float> expected(features.size());
    for (std::int64_t j = 0; j < d; ++j) {
        const Moments column(strided(features, j, n, d));
        expected_mu.push_back(column.mu);
        expected_sigma.push_back(column.sigma);
        for (std::int64_t i = 0; i < n; ++i) {
            const auto at = static_cast<std::size_t>(i * d + j);
            expected[at] = column.normalized(features[at]);
        }
    }
    // The sign of a computed NaN is the processor's affair; it never reaches an answer.
    const auto same_but_nan = [](const Output<double>& actual, std::vector<double>& wanted) {
        for (std::size_t j = 0; j < wanted.size(); ++j) {
            if (std::isnan(wanted[j]) && std::isnan(actual.data()[j])) wanted[j] = actual.data()[j];
        }
        CHECK_BITS(actual, wanted);
    };
    const Exact<T> input(features);
    each_context([&](const Context& context) {
        Output<double> mu(d), sigma(d);
        CHECK(gaussian_statistics(input.data(), n, d, mu.data(), sigma.data(), context) == Status::ok);
        same_but_nan(mu, expected_mu);
        same_but_nan(sigma, expected_sigma);
        Output<float> out(n * d);
        CHECK(gaussian_apply(input.data(), n, d, mu.data(), sigma.data(), out.data(), context) == Status::ok);
        CHECK_BITS(out, expected);
    });
}

template <class T>
void check_sizes() {
    Random random(3);
    for (const std::int64_t d : sizes({0, 1, 2, 31, 32, 33, 64, 65, 130, 1000}, {0, 1, 31, 33, 130})) {
        for (const std::int64_t n : sizes({0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 100}, {0, 1, 9, 33, 49})) {
            for (const Kind kind : kKinds) {
                const auto features = matrix<T>(random, n, d, kind);
                check_rows(features, n, d);
                if (n > 0) check_columns(features, n, d);
            }
        }
    }
}

}  // namespace

TEST(float_sizes) { check_sizes<float>(); }
TEST(double_sizes) { check_sizes<double>(); }

// Every fourth output on the middle between two floats, where the last bit of mu or sigma decides the float. (Not
// every output: their mean and variance are given.)
TEST(knife_edge) {
    Random random(11);
    for (const std::int64_t d : {31, 32, 33, 64, 65, 130, 1000}) {
        const std::int64_t n = 20;
        auto features = numbers<double>(random, n * d, Kind::uniform);
        for (std::int64_t i = 0; i < n; ++i) {
            for (int step = 0; step < 40; ++step) {
                const Moments row(strided(features, i * d, d, 1));
                for (std::int64_t j = 0; j < d; j += 4) {
                    double& value = features[static_cast<std::size_t>(i * d + j)];
                    const double normalized = 0.5 + (value - row.mu) * (1.0 / (6.0 * row.sigma));
                    value += (middle_of_floats(normalized) - normalized) * 6.0 * row.sigma;
                }
            }
        }
        check_rows(features, n, d);
    }
}

// Enough for several tasks of each pass.
TEST(many_rows) {
    Random random(4);
    const std::int64_t n = reduced() ? 1100 : 4200;
    check_rows(matrix<float>(random, n, 300, Kind::uniform), n, 300);
    check_columns(matrix<float>(random, n, 300, Kind::uniform), n, 300);
}

TEST(forced_isa) {
    check_forced_isa([](const Context& context) {
        const float x[8] = {};
        float out[8];
        gaussian_normalize(x, 1, 8, out, context);
    });
}
