#include "kernels/gaussian_normalize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/cpu/gaussian_normalize_isa.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kTaskElements = std::int64_t{1} << 18;
// Column sums read long pieces, which the prefetchers like; the sums of a task stay in the second-level cache.
constexpr std::int64_t kTaskLanes = 8;
constexpr std::int64_t kTaskColumns = 1024;
constexpr std::int64_t kPollRounds = 256;
// An output beyond the caches is streamed past them: a plain store would first read the line that it overwrites.
constexpr std::int64_t kStreamBytes = std::int64_t{32} << 20;

struct alignas(64) CacheLine {
    double values[8];
};

// The sign and payload of a NaN depend on the processor.
double quiet(double value) { return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value; }

template <class T>
struct Passes {
    const char* isa;
    const GaussianLoops<T>& loops;
};

template <class T>
Passes<T> gaussian_passes(Isa isa) {
    const GaussianPasses& passes = RSIR_BY_ISA(isa, gaussian_passes);
    if constexpr (std::is_same_v<T, float>) {
        return {passes.isa, passes.from_float};
    } else {
        return {passes.isa, passes.from_double};
    }
}

bool streams(const void* in, const float* out, std::int64_t n, std::int64_t d) {
    return in != out && n * d * static_cast<std::int64_t>(sizeof(float)) > kStreamBytes;
}

// sums[j] = the sum over all rows of column j, in the lane order down the rows. A task has some of the lanes of some of
// the columns; add(row, next row, first column, columns, sums) adds one row's part.
template <class T, class Add>
Status sum_columns(const T* features, std::int64_t n, std::int64_t d, double* sums, const Context& context,
                   const Add& add) {
    std::vector<double> lanes(static_cast<std::size_t>(kLanes * d));  // [kLanes, d]
    const std::int64_t groups = kLanes / kTaskLanes;
    const std::int64_t blocks = (d + kTaskColumns - 1) / kTaskColumns;
    const Status status = parallel_for(context, groups * blocks, [&](std::int64_t task, Poll& poll) {
        const std::int64_t lane = task % groups * kTaskLanes, first = task / groups * kTaskColumns;
        const std::int64_t columns = std::min(kTaskColumns, d - first);
        std::vector<CacheLine> own(kTaskLanes * kTaskColumns / 8);  // compact, so that lanes do not share cache sets
        double* own_sums = own.front().values;                      // [kTaskLanes, kTaskColumns]
        for (std::int64_t i = lane; i < n; i += kLanes) {
            if (i / kLanes % kPollRounds == 0 && poll.stop()) return;
            for (std::int64_t r = 0; r < std::min(kTaskLanes, n - i); ++r) {
                const std::int64_t next = i + (r + 1 < kTaskLanes ? r + 1 : kLanes);
                add(features + (i + r) * d + first, features + std::min(next, n - 1) * d + first, first, columns,
                    own_sums + r * kTaskColumns);
            }
        }
        for (std::int64_t r = 0; r < kTaskLanes; ++r) {
            std::copy_n(own_sums + r * kTaskColumns, columns, lanes.data() + (lane + r) * d + first);
        }
    });
    if (status != Status::ok) return status;
    for (std::int64_t half = kLanes / 2; half >= 1; half /= 2) {
        for (std::int64_t j = 0; j < half * d; ++j) {
            lanes[static_cast<std::size_t>(j)] += lanes[static_cast<std::size_t>(half * d + j)];
        }
    }
    std::copy_n(lanes.begin(), d, sums);
    return Status::ok;
}

// The mean of equal numbers may be rounded, so that their deviation is not quite 0, or overflow: such columns get that
// number and exactly 0. The mean is off by a factor of 1 +- n 2^-53 at most, so few columns need a look at every row.
template <class T>
Status settle_constant_columns(const T* features, std::int64_t n, std::int64_t d, double* mu, double* sigma,
                               const Context& context) {
    std::vector<std::int64_t> suspects;
    for (std::int64_t j = 0; j < d; ++j) {
        const double first = static_cast<double>(features[j]);
        const bool varies = std::isfinite(sigma[j]) && sigma[j] > std::fabs(first) * 0x1p-10;
        if (!varies && std::isfinite(first)) suspects.push_back(j);
    }
    return parallel_for(context, 1, [&](std::int64_t, Poll& poll) {
        for (std::int64_t i = 1; i < n && !suspects.empty(); ++i) {
            if (i % 1024 == 0 && poll.stop()) return;
            const T* row = features + i * d;
            const auto differs = [&](std::int64_t j) { return row[j] != features[j]; };
            suspects.erase(std::remove_if(suspects.begin(), suspects.end(), differs), suspects.end());
        }
        for (const std::int64_t j : suspects) {
            mu[j] = static_cast<double>(features[j]);
            sigma[j] = 0.0;
        }
    });
}

}  // namespace

template <class T>
Status gaussian_normalize(const T* features, std::int64_t n, std::int64_t d, float* out, const Context& context) {
    if (n == 0 || d == 0) return Status::ok;
    const Passes<T> passes = gaussian_passes<T>(context.isa);
    context.report(passes.isa);
    const std::int64_t rows = std::max<std::int64_t>(1, kTaskElements / d);
    const bool stream = streams(features, out, n, d);
    return parallel_for(context, (n + rows - 1) / rows, [&](std::int64_t task, Poll&) {
        const std::int64_t first = task * rows;
        passes.loops.normalize(features + first * d, std::min(rows, n - first), d, out + first * d, stream);
    });
}

template <class T>
Status gaussian_statistics(const T* features, std::int64_t n, std::int64_t d, double* mu, double* sigma,
                           const Context& context) {
    if (d == 0) return Status::ok;
    const Passes<T> passes = gaussian_passes<T>(context.isa);
    context.report(passes.isa);
    const double count = static_cast<double>(n);
    const auto add = [&](const T* row, const T* next, std::int64_t, std::int64_t columns, double* sums) {
        passes.loops.add(row, next, columns, sums);
    };
    const auto add_squares = [&](const T* row, const T* next, std::int64_t first, std::int64_t columns, double* sums) {
        passes.loops.add_squares(row, next, columns, mu + first, sums);
    };
    const DefaultFloatEnvironment environment;
    if (sum_columns(features, n, d, mu, context, add) != Status::ok) return Status::interrupted;
    for (std::int64_t j = 0; j < d; ++j) mu[j] = quiet(mu[j] / count);
    if (sum_columns(features, n, d, sigma, context, add_squares) != Status::ok) return Status::interrupted;
    for (std::int64_t j = 0; j < d; ++j) sigma[j] = quiet(std::sqrt(sigma[j] / count));
    return settle_constant_columns(features, n, d, mu, sigma, context);
}

template <class T>
Status gaussian_apply(const T* features, std::int64_t n, std::int64_t d, const double* mu, const double* sigma,
                      float* out, const Context& context) {
    if (n == 0 || d == 0) return Status::ok;
    const Passes<T> passes = gaussian_passes<T>(context.isa);
    context.report(passes.isa);
    std::vector<double> scale(static_cast<std::size_t>(d));
    {
        const DefaultFloatEnvironment environment;
        std::transform(sigma, sigma + d, scale.begin(), [](double s) {
            if (!std::isfinite(s)) return std::numeric_limits<double>::quiet_NaN();
            return s == 0.0 ? 0.0 : 1.0 / (6.0 * s);
        });
    }
    const std::int64_t rows = std::max<std::int64_t>(1, kTaskElements / d);
    const bool stream = streams(features, out, n, d);
    return parallel_for(context, (n + rows - 1) / rows, [&](std::int64_t task, Poll&) {
        const std::int64_t first = task * rows;
        passes.loops.apply(features + first * d, std::min(rows, n - first), d, mu, scale.data(), out + first * d,
                           stream);
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
