#include <cmath>
#include <limits>

#include "euclidean_cases.h"
#include "kernels/cuda/digits.cuh"

using namespace rsir;
using namespace rsir::test;
using cuda::Digits;

namespace {

// Two matrices of equal width with their digits.
template <class T>
struct Coded {
    std::int64_t q, n, d;
    std::vector<typename Stored<T>::Wide> x, y;
    DeviceArray<std::uint8_t> x_memory, y_memory;
    Digits x_digits, y_digits;
    std::vector<double> centre;

    explicit Coded(const Problem<T>& problem)
        : q(problem.q),
          n(problem.n),
          d(problem.d),
          x(widened(problem.queries)),
          y(widened(problem.database)),
          x_memory(static_cast<std::int64_t>(cuda::digits_bytes(q, d))),
          y_memory(static_cast<std::int64_t>(cuda::digits_bytes(n, d))),
          x_digits(Digits::at(x_memory.data(), q, d)),
          y_digits(Digits::at(y_memory.data(), n, d)) {
        const DeviceProblem<T> device(problem);
        const DeviceArray<double> middle(d);
        const auto type = Stored<T>::type;
        CHECK(cuda::find_centre(device.database.data(), type, n, d, middle.data(), nullptr) == cudaSuccess);
        CHECK(cuda::make_digits(device.queries.data(), type, q, d, middle.data(), x_digits, nullptr) == cudaSuccess);
        CHECK(cuda::make_digits(device.database.data(), type, n, d, middle.data(), y_digits, nullptr) == cudaSuccess);
        centre.assign(middle.data(), middle.data() + d);
    }

    static int digit(const Digits& of, int place, std::int64_t row, std::int64_t column) {
        return of.values[(place * of.rows + row) * of.width + column];
    }

    // Every code is the nearest to its value, and what pads rows and columns is 0.
    void check_codes(const Digits& of, const std::vector<typename Stored<T>::Wide>& rows, std::int64_t count) const {
        for (std::int64_t i = 0; i < of.rows; ++i) {
            const double scale = static_cast<double>(of.unit[i]) * 0x1p-16;
            for (std::int64_t c = 0; c < of.width; ++c) {
                const int code = (digit(of, 0, i, c) * 256 + digit(of, 1, i, c)) * 256 + digit(of, 2, i, c);
                if (i >= count || c >= d || scale == 0.0) {
                    CHECK(code == 0);
                    continue;
                }
                const double value = static_cast<double>(rows[static_cast<std::size_t>(i * d + c)]) -
                                     centre[static_cast<std::size_t>(c)];
                CHECK(std::fabs(value - scale * code) <= 0.5000001 * scale);
            }
        }
    }

    // Whether a finite distance lies in its interval; returns how much of the window its error takes.
    double used(std::int64_t i, std::int64_t j) const {
        std::int32_t sums[3] = {};
        for (int a = 0; a < 3; ++a) {
            for (int b = 0; a + b < 3; ++b) {
                for (std::int64_t c = 0; c < d; ++c) sums[a + b] += digit(x_digits, a, i, c) * digit(y_digits, b, j, c);
            }
        }
        const float near = cuda::near_distance(sums[0], sums[1], sums[2], -2.0f * x_digits.unit[i], y_digits.unit[j],
                                               x_digits.norm[i] + y_digits.norm[j]);
        const cuda::Interval interval(near, x_digits.window[i], y_digits.window[j]);
        const float distance = squared_distance(x.data() + i * d, y.data() + j * d, d);
        CHECK(!std::isnan(interval.low) && !std::isnan(interval.high));
        if (std::isnan(distance)) {
            CHECK(std::isinf(interval.high));
            return 0.0;
        }
        CHECK(interval.low <= distance && distance <= interval.high);
        const double off = std::fabs(static_cast<double>(distance) - std::fmax(static_cast<double>(near), 0.0));
        const double window = static_cast<double>(x_digits.window[i]) * static_cast<double>(y_digits.window[j]);
        return std::isinf(distance) ? 0.0 : (off - 5 * 0x1p-24 * static_cast<double>(near)) / window;
    }

    double most_used() const {
        double most = 0.0;
        for (std::int64_t i = 0; i < q; ++i) {
            for (std::int64_t j = 0; j < n; ++j) most = std::fmax(most, used(i, j));
        }
        return most;
    }
};

template <class T>
double check_problem(const Problem<T>& problem) {
    const Case here("q=", problem.q, " n=", problem.n, " d=", problem.d, " bytes=", sizeof(T));
    double used = 0.0;
    next_order([&] {
        const Coded<T> coded(problem);
        coded.check_codes(coded.x_digits, coded.x, problem.q);
        coded.check_codes(coded.y_digits, coded.y, problem.n);
        used = coded.most_used();
    });
    return used;
}

}  // namespace

TEST(every_distance_lies_in_its_interval) {
    Random random(81);
    std::size_t round = 0;
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t d : sizes({1, 3, 33, 128, 130}, {33})) {
            for (const Kind kind : kKinds) {
                check_problem(Problem<T>::make(random, 3 + static_cast<std::int64_t>(round % 3), 40, d, kind));
                ++round;
            }
        }
    });
}

// Rows of like and unlike sizes, near each other and far, some beyond what has digits.
TEST(every_size_of_numbers) {
    Random random(82);
    for (const double power : {-80.0, -61.0, -59.0, -20.0, 0.0, 18.0, 39.5, 41.0, 63.0}) {
        for (const double spread : {0.0, 1.0, 12.0, 40.0}) {
            const std::int64_t q = 5, n = 17, d = 40;
            std::vector<double> numbers[2];
            for (int side = 0; side < 2; ++side) {
                for (std::int64_t i = 0; i < (side == 0 ? q : n); ++i) {
                    const double size = std::exp2(power + spread * (random.uniform() - 0.5));
                    const double shift = i % 3 == 0 ? 0.0 : 7.0;
                    for (std::int64_t c = 0; c < d; ++c) {
                        numbers[side].push_back(size * (shift + 2 * random.uniform() - 1));
                    }
                }
            }
            check_problem(Problem<float>{q, n, d, stored<float>(numbers[0]), stored<float>(numbers[1])});
            check_problem(Problem<double>{q, n, d, stored<double>(numbers[0]), stored<double>(numbers[1])});
        }
    }
}

// What the bound must allow for, driven to its limit: the products left out are all of one sign and as large as can be,
// and what is beyond the digits lies along the other row.
TEST(the_bound_is_nearly_reached) {
    const std::int64_t d = 256;
    const auto rows = [&](const std::vector<int>& codes, double beyond) {
        std::vector<double> row;
        for (std::int64_t c = 0; c < d / 2; ++c) {
            const int code = codes[static_cast<std::size_t>(c) % codes.size()];
            row.push_back(c == 0 ? 127 * 65536 + 127 * 256 + 127 : code + (code > 0 ? beyond : -beyond));
        }
        for (std::int64_t c = 0; c < d / 2; ++c) row.push_back(-row[static_cast<std::size_t>(c)]);
        return row;
    };
    double most = 0.0;
    for (const double beyond : {0.0, 0.49}) {
        for (const int first : {0, 1, 3, 127}) {
            for (const int rest : {127 * 256 + 127, -128 * 256 - 128, 127 * 256 - 128, 127 * 256}) {
                auto x = rows({first * 65536 + rest, first * 65536 + rest}, beyond);
                std::vector<double> y = rows({rest, rest - 1}, beyond);
                std::vector<double> both = x;
                both.insert(both.end(), y.begin(), y.end());
                for (const double value : std::vector<double>(both)) both.push_back(-value);  // so that the centre is 0
                most = std::fmax(most, check_problem(Problem<double>{4, 4, d, both, both}));
            }
        }
    }
    CHECK(most > 0.4 && most <= 1.0);
}

// Sums as wide as 32 bits hold.
TEST(the_widest_rows) {
    Random random(83);
    const std::int64_t d = cuda::kMostDigitWidth;
    std::vector<double> row;
    for (std::int64_t c = 0; c < d; ++c) row.push_back(127 * 65536 + 127 * 256 - 128);
    std::vector<double> rows = row;
    for (const double value : row) rows.push_back(-value);
    for (std::int64_t c = 0; c < 2 * d; ++c) rows.push_back(2e7 * random.uniform() - 1e7);
    CHECK(check_problem(Problem<double>{4, 4, d, rows, rows}) <= 1.0);
}

// Rows that nothing can be said of leave the others as they are.
TEST(rows_without_digits) {
    Random random(84);
    auto problem = Problem<float>::make(random, 4, 30, 20, Kind::uniform);
    problem.queries[20] = std::numeric_limits<float>::infinity();
    problem.database[3] = std::numeric_limits<float>::quiet_NaN();
    problem.database[45] = 3e38f;
    const Coded<float> coded(problem);
    for (const std::int64_t row : {0, 2}) CHECK(std::isinf(coded.y_digits.window[row]));
    CHECK(std::isinf(coded.x_digits.window[1]));
    CHECK(coded.y_digits.window[1] < 0.01f && coded.x_digits.window[0] < 0.01f);
    coded.most_used();
}
