#include "kernels/cpu/precision.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/row_reader.h"

namespace rsir {
namespace {

constexpr std::int64_t kQueries = 8, kLeastSample = 64, kSample = 4096;
// Of one row of width d, in the time that the best int8 tile takes for one element: measured, and needed only roughly.
constexpr double kDecideElement = 40.0, kDecideRow = 30000.0;

// Twice the bytes to keep, and to read for few queries, are worth no less than a fifth of the time for many.
constexpr double kWorthTwice = 0.8;

// How many rows lie within a distance, by those of a sample. Nearer than the nearest of these, as where 100 of a
// million rows are wanted, the share falls exponentially, as it does among the nearest sixteen.
class LowerEnd {
  public:
    explicit LowerEnd(std::vector<double> sorted) : squared_(std::move(sorted)) {
        const std::size_t end = std::min(kEnd, squared_.size());
        const double length = squared_[end - 1] - squared_[0];
        if (length > 0 && std::isfinite(length)) rate_ = std::log(static_cast<double>(end)) / length;
    }

    // The square below which such a share of all rows lies,
    double square_of(double share) const {
        const double place = share * count();
        if (place >= 1 || rate_ == 0) {
            return squared_[static_cast<std::size_t>(std::clamp(place, 1.0, count()) - 1)];
        }
        return std::max(0.0, squared_[0] + std::log(place) / rate_);
    }
    // and the share below a square.
    double share_of(double square) const {
        if (square >= squared_[0] || rate_ == 0) {
            const auto within = std::upper_bound(squared_.begin(), squared_.end(), square) - squared_.begin();
            return static_cast<double>(within) / count();
        }
        return std::exp(rate_ * (square - squared_[0])) / count();
    }

  private:
    static constexpr std::size_t kEnd = 16;

    double count() const { return static_cast<double>(squared_.size()); }

    const std::vector<double> squared_;
    double rate_ = 0;  // 0: nothing is known beyond the least
};

// What stands between the k-th and the k-plus-th distance, in squares: 2 a rho_y + 2 b rho_x of kernels/cpu/certify.h.
double slack(double norm, double distance, double radius, double query_radius) {
    const double reach = std::min(norm, distance);
    return 2 * reach * (radius + query_radius);
}

}  // namespace

Precision cheaper_precision(const Rows& rows, std::int64_t n, std::int64_t k, const float* mean, const Certify& certify,
                            Isa isa) {
    if (n < 2) return Precision::int8;
    const CanonicalDistance& canonical = canonical_distance(isa);
    RowReader reader(rows, isa, 64);
    // Of few rows only some: a judgement costs much less than the codes of all. With 512 of 100,000 x 4096 the choice
    // was a matter of luck.
    const std::int64_t count = std::min(n, std::clamp(n / 16, kLeastSample, kSample));
    std::vector<std::uint32_t> ids(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
        ids[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(i * n / count);
    std::vector<double> query(static_cast<std::size_t>(padded(rows.d))), squared(ids.size());
    const double wanted = static_cast<double>(std::min(k, n)) / static_cast<double>(n);
    Quantizer quantizers[] = {{rows.d, mean, Precision::int8, certify}, {rows.d, mean, Precision::int16, certify}};
    double found[2] = {};
    for (std::int64_t j = 0; j < kQueries; ++j) {
        const std::int64_t row = j * n / kQueries;
        const Rows one = reader.take(row, 1);
        widen_row(one, 0, query.data());
        const Code codes[] = {quantizers[0].run(one, 0, certify.int8.query_limit), quantizers[1].run(one, 0, 0)};
        const Code as_rows[] = {quantizers[0].run(one, 0, kRowLimit), quantizers[1].run(one, 0, kRowLimit)};
        reader.gather(canonical, query.data(), ids.data(), count, 0, squared.data());
        for (double& value : squared) value = std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
        std::sort(squared.begin(), squared.end());
        // Of a query that is in the sample, itself is the nearest.
        const std::ptrdiff_t own = std::binary_search(ids.begin(), ids.end(), static_cast<std::uint32_t>(row)) ? 1 : 0;
        const LowerEnd others({squared.begin() + own, squared.end()});
        const double kth = others.square_of(wanted);
        for (const int is16 : {0, 1}) {
            const double doubt =
                slack(std::sqrt(codes[is16].norm), std::sqrt(kth), static_cast<double>(as_rows[is16].radius),
                      static_cast<double>(codes[is16].radius));
            found[is16] += std::max(wanted, others.share_of(kth + doubt)) / kQueries;
        }
    }
    const double per_row = kDecideElement * static_cast<double>(rows.d) + kDecideRow;
    double cost[2];
    for (const int is16 : {0, 1}) {
        cost[is16] = (is16 ? certify.int16.cost : certify.int8.cost) * static_cast<double>(rows.d) +
                     (std::isfinite(found[is16]) ? found[is16] : 1.0) * per_row;
    }
    return cost[1] < kWorthTwice * cost[0] ? Precision::int16 : Precision::int8;
}

}  // namespace rsir
