#include "kernels/gaussian_normalize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/gaussian_normalize_isa.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kTaskElements = std::int64_t{1} << 18;
constexpr std::int64_t kTaskColumns = 64;
constexpr std::int64_t kPollRows = 4096;

const GaussianPasses& gaussian_passes(Isa isa) { return RSIR_BY_ISA(isa, gaussian_passes); }

void normalize_row(const GaussianPasses& passes, double* row, std::int64_t d, std::int64_t size, float* out) {
    const double count = static_cast<double>(d);
    // The mean of equal float64 numbers may be rounded, so that sigma is not quite 0. Most rows end at their second
    // element here.
    if (std::isfinite(row[0]) && std::all_of(row, row + d, [row](double value) { return value == row[0]; })) {
        std::fill_n(out, d, 0.5f);
        return;
    }
    const double mu = passes.sum(row, size) / count;
    const double sigma = std::sqrt(passes.centre(row, d, size, mu) / count);
    if (!std::isfinite(sigma)) {
        std::fill_n(out, d, std::numeric_limits<float>::quiet_NaN());
    } else if (sigma == 0.0) {
        std::fill_n(out, d, 0.5f);
    } else {
        passes.scale(row, d, 1.0 / (6.0 * sigma), out);
    }
}

// Adds term(column, value) of every row to sums [columns], in lane order down the rows.
template <class T, class Term>
void sum_columns(const T* features, std::int64_t n, std::int64_t d, std::int64_t first, std::int64_t columns,
                 double* sums, Poll& poll, const Term& term) {
    std::vector<double> lanes(static_cast<std::size_t>(kLanes * columns));  // [columns, kLanes]
    for (std::int64_t i = 0; i < n; ++i) {
        if (i % kPollRows == 0 && poll.stop()) return;
        const T* row = features + i * d + first;
        for (std::int64_t j = 0; j < columns; ++j) {
            lanes[static_cast<std::size_t>(j * kLanes + i % kLanes)] += term(j, static_cast<double>(row[j]));
        }
    }
    for (std::int64_t j = 0; j < columns; ++j) sums[j] = fold_lanes(lanes.data() + j * kLanes);
}

// Whether each of the columns holds one finite number throughout.
template <class T>
std::vector<char> constant_columns(const T* features, std::int64_t n, std::int64_t d, std::int64_t first,
                                   std::int64_t columns) {
    std::vector<char> constant(static_cast<std::size_t>(columns));
    for (std::int64_t j = 0; j < columns; ++j) {
        const T value = features[first + j];
        std::int64_t i = 0;
        while (i < n && features[i * d + first + j] == value) ++i;
        constant[static_cast<std::size_t>(j)] = i == n && std::isfinite(value);
    }
    return constant;
}

float checked(double value) {
    return std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(value);
}

}  // namespace

template <class T>
Status gaussian_normalize(const T* features, std::int64_t n, std::int64_t d, float* out, const Context& context) {
    if (n == 0 || d == 0) return Status::ok;
    const GaussianPasses& passes = gaussian_passes(context.isa);
    context.report(passes.isa);
    const std::int64_t size = padded(d);
    const std::int64_t rows = std::max<std::int64_t>(1, kTaskElements / size);
    return parallel_for(context, (n + rows - 1) / rows, [&](std::int64_t task, Poll&) {
        std::vector<double> wide(static_cast<std::size_t>(size));
        for (std::int64_t i = task * rows; i < std::min(n, (task + 1) * rows); ++i) {
            std::copy_n(features + i * d, d, wide.data());
            normalize_row(passes, wide.data(), d, size, out + i * d);
        }
    });
}

template <class T>
Status gaussian_statistics(const T* features, std::int64_t n, std::int64_t d, double* mu, double* sigma,
                           const Context& context) {
    const double count = static_cast<double>(n);
    return parallel_for(context, (d + kTaskColumns - 1) / kTaskColumns, [&](std::int64_t task, Poll& poll) {
        const std::int64_t first = task * kTaskColumns;
        const std::int64_t columns = std::min(kTaskColumns, d - first);
        double* mean = mu + first;
        double* deviation = sigma + first;
        sum_columns(features, n, d, first, columns, mean, poll, [](std::int64_t, double value) { return value; });
        for (std::int64_t j = 0; j < columns; ++j) mean[j] /= count;
        sum_columns(features, n, d, first, columns, deviation, poll,
                    [mean](std::int64_t j, double value) { return (value - mean[j]) * (value - mean[j]); });
        for (std::int64_t j = 0; j < columns; ++j) deviation[j] = std::sqrt(deviation[j] / count);
        const std::vector<char> constant = constant_columns(features, n, d, first, columns);
        for (std::int64_t j = 0; j < columns; ++j) {
            if (!constant[static_cast<std::size_t>(j)]) continue;
            mean[j] = static_cast<double>(features[first + j]);
            deviation[j] = 0.0;
        }
    });
}

template <class T>
Status gaussian_apply(const T* features, std::int64_t n, std::int64_t d, const double* mu, const double* sigma,
                      float* out, const Context& context) {
    if (n == 0 || d == 0) return Status::ok;
    std::vector<double> scale(static_cast<std::size_t>(d));
    {
        const DefaultFloatEnvironment environment;
        std::transform(sigma, sigma + d, scale.begin(), [](double s) {
            if (!std::isfinite(s)) return std::numeric_limits<double>::quiet_NaN();
            return s == 0.0 ? 0.0 : 1.0 / (6.0 * s);
        });
    }
    const std::int64_t rows = std::max<std::int64_t>(1, kTaskElements / d);
    return parallel_for(context, (n + rows - 1) / rows, [&](std::int64_t task, Poll&) {
        for (std::int64_t i = task * rows; i < std::min(n, (task + 1) * rows); ++i) {
            for (std::int64_t j = 0; j < d; ++j) {
                const double centred = static_cast<double>(features[i * d + j]) - mu[j];
                out[i * d + j] = checked(0.5 + centred * scale[static_cast<std::size_t>(j)]);
            }
        }
    });
}

#define RSIR_INSTANTIATE(T)                                                                                      \
    template Status gaussian_normalize(const T*, std::int64_t, std::int64_t, float*, const Context&);            \
    template Status gaussian_statistics(const T*, std::int64_t, std::int64_t, double*, double*, const Context&); \
    template Status gaussian_apply(const T*, std::int64_t, std::int64_t, const double*, const double*, float*,   \
                                   const Context&);
RSIR_INSTANTIATE(float)
RSIR_INSTANTIATE(double)
#undef RSIR_INSTANTIATE

}  // namespace rsir
