#include <algorithm>

#include "device_tests.h"
#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/gaussian_normalize.h"

using namespace rsir;
using namespace rsir::test;

namespace {

struct Statistics {
    std::vector<double> mu, sigma;
};

template <class T>
Statistics on_cpu(const std::vector<T>& features, std::int64_t n, std::int64_t d) {
    const auto count = static_cast<std::size_t>(d);
    Statistics statistics{std::vector<double>(count), std::vector<double>(count)};
    CHECK(gaussian_statistics(widened(features).data(), n, d, statistics.mu.data(), statistics.sigma.data(),
                              Context{}) == Status::ok);
    return statistics;
}

template <class T>
std::vector<float> applied_on_cpu(const std::vector<T>& features, std::int64_t n, std::int64_t d,
                                  const Statistics& statistics) {
    std::vector<float> out(features.size());
    CHECK(gaussian_apply(widened(features).data(), n, d, statistics.mu.data(), statistics.sigma.data(), out.data(),
                         Context{}) == Status::ok);
    return out;
}

template <class T>
void check_apply(const T* features, std::int64_t n, std::int64_t d, const Statistics& statistics, float* out) {
    const DeviceArray<double> mu(statistics.mu), sigma(statistics.sigma), scale(d);
    CHECK(cuda::gaussian_apply(features, Stored<T>::type, n, d, mu.data(), sigma.data(), scale.data(), out, nullptr) ==
          cudaSuccess);
}

template <class T>
void check_columns(const std::vector<T>& features, std::int64_t n, std::int64_t d) {
    const Case here("n=", n, " d=", d, " bytes=", sizeof(T));
    const Statistics statistics = on_cpu(features, n, d);
    const std::vector<float> expected = applied_on_cpu(features, n, d, statistics);
    const DeviceArray<T> input(features);
    next_order([&] {
        const DeviceArray<double> mu(d), sigma(d);
        const DeviceArray<unsigned char> workspace(static_cast<std::int64_t>(cuda::gaussian_statistics_bytes(d)));
        CHECK(cuda::gaussian_statistics(input.data(), Stored<T>::type, n, d, workspace.data(), mu.data(), sigma.data(),
                                        nullptr) == cudaSuccess);
        CHECK_DEVICE(mu, statistics.mu);
        CHECK_DEVICE(sigma, statistics.sigma);
        const DeviceArray<float> out(n * d);
        check_apply(input.data(), n, d, statistics, out.data());
        CHECK_DEVICE(out, expected);
    });
}

// Columns of every kind beside one another: a matrix whose columns are the rows of another.
template <class T>
std::vector<T> columns(Random& random, std::int64_t n, std::int64_t d, Kind kind) {
    const std::vector<T> rows = stored<T>(matrix<double>(random, d, n, kind));
    std::vector<T> features;
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < d; ++j) features.push_back(rows[static_cast<std::size_t>(j * n + i)]);
    }
    return features;
}

}  // namespace

// Around the 32 lanes, the 16 rounds that are read at once (512 rows), the 8 rows of a thread, a block of 128 threads.
TEST(sizes_of_all_types) {
    Random random(21);
    each_type([&](auto type) {
        using T = decltype(type);
        for (const Kind kind : kKinds) {
            for (const std::int64_t n : sizes({1, 2, 7, 8, 9, 31, 32, 33, 511, 512, 513, 1100}, {1, 9, 33, 511, 513})) {
                for (const std::int64_t d : sizes({1, 3, 4, 5, 8}, {3, 4})) {
                    check_columns(columns<T>(random, n, d, kind), n, d);
                }
            }
            for (const std::int64_t d : sizes({127, 128, 129, 500, 1030}, {129})) {
                check_columns(columns<T>(random, 9, d, kind), 9, d);
            }
        }
    });
}

// Equal numbers whose mean is rounded, overflows or is a zero of either sign; the same but for one element.
TEST(constant_columns) {
    const std::vector<double> values = {0.1, 1.7e308, 5e-324, -0.0, 0.0, -3e38, 1e8, HUGE_VAL, -NAN};
    const auto d = static_cast<std::int64_t>(2 * values.size());
    for (const std::int64_t n : {1, 3, 40, 700}) {
        std::vector<double> features;
        for (std::int64_t i = 0; i < n; ++i) {
            for (const double value : values) {
                features.push_back(value == 0.0 && i % 2 == 1 ? -value : value);
                features.push_back(i == n - 1 ? std::nextafter(value, 1.0) : value);
            }
        }
        check_columns(features, n, d);
        check_columns(stored<float>(features), n, d);
    }
}

// Of another matrix: deviations of 0, too small for their inverse, not finite; whatever the features hold.
TEST(given_statistics) {
    Random random(22);
    const std::vector<double> deviations = {1.0, 0.0, NAN, HUGE_VAL, 1e-320, -1.0}, means = {0.0, NAN, -1e300, 3.0};
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t d : {23, 24}) {
            Statistics statistics;
            for (std::int64_t j = 0; j < d; ++j) {
                statistics.mu.push_back(means[static_cast<std::size_t>(j / 6 % 4)]);
                statistics.sigma.push_back(deviations[static_cast<std::size_t>(j % 6)]);
            }
            const std::vector<T> features = stored<T>(matrix<double>(random, 13, d, Kind::hostile));
            const DeviceArray<T> input(features);
            const DeviceArray<float> out(13 * d);
            each_order([&] {
                check_apply(input.data(), 13, d, statistics, out.data());
                CHECK_DEVICE(out, applied_on_cpu(features, 13, d, statistics));
            });
        }
    });
}

// One read, one write: into the features themselves, also where they begin beside a boundary of 16 bytes.
TEST(in_place) {
    Random random(23);
    for (const std::int64_t d : {5, 8}) {
        const std::vector<float> features = columns<float>(random, 50, d, Kind::hostile);
        const Statistics statistics = on_cpu(features, 50, d);
        const std::vector<float> expected = applied_on_cpu(features, 50, d, statistics);
        for (const std::int64_t offset : {0, 1, 4}) {
            each_order([&] {
                const DeviceArray<float> both(offset + 50 * d);
                std::copy(features.begin(), features.end(), both.data() + offset);
                check_apply(both.data() + offset, 50, d, statistics, both.data() + offset);
                CHECK(std::equal(expected.begin(), expected.end(), both.data() + offset,
                                 [](float a, float b) { return __float_as_uint(a) == __float_as_uint(b); }));
            });
        }
    }
}

TEST(empty) {
    check_columns(std::vector<float>{}, 5, 0);
    const DeviceArray<double> statistics(4);
    CHECK(cuda::gaussian_apply(nullptr, cuda::FloatType::float32, 0, 4, statistics.data(), statistics.data(), nullptr,
                               nullptr, nullptr) == cudaSuccess);
}
