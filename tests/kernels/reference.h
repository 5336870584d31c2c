// What the ops must return, in plain float64: slow, short, and independent of the kernels' own helpers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "check.h"

namespace rsir::test {

// Element i goes to lane i % 32; each lane adds in increasing i; lanes are folded by halves.
inline double lane_sum(const std::vector<double>& values) {
    std::vector<double> lanes(32, 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) lanes[i % 32] += values[i];
    for (std::size_t half : {16, 8, 4, 2, 1}) {
        for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
    }
    return lanes[0];
}

inline float rounded(double value) {
    return std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(value);
}

// The canonical distance of the d values at a and b, before and after its last rounding.
template <class T>
double wide_squared_distance(const T* a, const T* b, std::int64_t d) {
    std::vector<double> squares;
    for (std::int64_t i = 0; i < d; ++i) {
        const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        squares.push_back(difference * difference);
    }
    return lane_sum(squares);
}

template <class T>
float squared_distance(const T* a, const T* b, std::int64_t d) {
    return rounded(wide_squared_distance(a, b, d));
}

// The middle between the float at or below `value` and the next one.
inline double middle_of_floats(double value) {
    const float nearest = static_cast<float>(value);
    const float below = static_cast<double>(nearest) <= value ? nearest : std::nextafter(nearest, -HUGE_VALF);
    return (static_cast<double>(below) + static_cast<double>(std::nextafter(below, HUGE_VALF))) / 2;
}

// Rows [n, d >= 4] whose distances from `query`, which must end in three zeros, lie on the middle between two floats or
// a few last bits of float64 beside it. Rounding to float hides most errors of a sum; here it hides none.
template <class T>
std::vector<T> knife_edge_rows(Random& random, const std::vector<T>& query, std::int64_t n) {
    const auto d = static_cast<std::int64_t>(query.size());
    std::vector<T> rows;
    for (std::int64_t i = 0; i < n; ++i) {
        std::vector<T> row(query.size());
        for (std::int64_t j = 0; j < d - 3; ++j)
            row[static_cast<std::size_t>(j)] = static_cast<T>(random.uniform() - 0.5);
        const double sum = wide_squared_distance(row.data(), query.data(), d);
        double target = middle_of_floats(sum);
        if (target <= sum) target = middle_of_floats(static_cast<double>(std::nextafter(rounded(target), HUGE_VALF)));
        for (std::int64_t j = d - 3; j < d; ++j) {
            const double rest = target - wide_squared_distance(row.data(), query.data(), d);
            if (rest <= 0) break;
            auto step = static_cast<T>(std::sqrt(rest));
            while (static_cast<double>(step) * static_cast<double>(step) > rest) step = std::nextafter(step, T(0));
            row[static_cast<std::size_t>(j)] = step;
        }
        rows.insert(rows.end(), row.begin(), row.end());
    }
    return rows;
}

// The first k of `distances` by (distance, id), NaN last, padded with `worst` and -1; appended to both outputs.
template <class D>
void append_smallest(const std::vector<D>& distances, std::int64_t k, D worst, std::vector<D>& best,
                     std::vector<std::int64_t>& ids) {
    std::vector<std::pair<D, std::int64_t>> order;
    for (std::size_t i = 0; i < distances.size(); ++i) order.emplace_back(distances[i], i);
    const auto rank = [](D value) { return std::pair<bool, D>(value != value, value == value ? value : D(0)); };
    std::stable_sort(order.begin(), order.end(),
                     [&](const auto& x, const auto& y) { return rank(x.first) < rank(y.first); });
    for (std::int64_t j = 0; j < k; ++j) {
        const bool there = j < static_cast<std::int64_t>(order.size());
        best.push_back(there ? order[static_cast<std::size_t>(j)].first : worst);
        ids.push_back(there ? order[static_cast<std::size_t>(j)].second : -1);
    }
}

}  // namespace rsir::test
