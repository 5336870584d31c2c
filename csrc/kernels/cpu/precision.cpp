#include "kernels/cpu/precision.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/row_reader.h"

namespace rsir {
namespace {

constexpr std::int64_t kQueries = 8, kLeastSample = 64, kSample = 512;
// Of one row of width d, in the time that the best int8 tile takes for one element: measured, and needed only roughly.
constexpr double kDecideElement = 40.0, kDecideRow = 30000.0;

// What stands between the k-th and the k-plus-th distance, in squares: 2 a rho_y + 2 b rho_x of kernels/cpu/certify.h.
double slack(double norm, double distance, double radius, double query_radius) {
    const double reach = std::min(norm, distance);
    return 2 * reach * (radius + query_radius);
}

}  // namespace

Precision cheaper_precision(const Rows& rows, std::int64_t n, std::int64_t k, const float* mean, const Certify& certify,
                            Isa isa) {
    const CanonicalDistance& canonical = canonical_distance(isa);
    RowReader reader(rows, isa, 64);
    // Of few rows only some: a judgement costs much less than the codes of all.
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
        // Distances around the k-th among n, as if the sample's order went on beyond its size.
        const double place = wanted * static_cast<double>(count);
        const double kth = squared[static_cast<std::size_t>(std::min<double>(place, static_cast<double>(count - 1)))];
        for (const int is16 : {0, 1}) {
            const double doubt =
                slack(std::sqrt(codes[is16].norm), std::sqrt(kth), static_cast<double>(as_rows[is16].radius),
                      static_cast<double>(codes[is16].radius));
            const auto within = std::upper_bound(squared.begin(), squared.end(), kth + doubt) - squared.begin();
            found[is16] += std::max(wanted, static_cast<double>(within - 1) / static_cast<double>(count)) / kQueries;
        }
    }
    const double per_row = kDecideElement * static_cast<double>(rows.d) + kDecideRow;
    double cost[2];
    for (const int is16 : {0, 1}) {
        cost[is16] = (is16 ? certify.int16.cost : certify.int8.cost) * static_cast<double>(rows.d) +
                     (std::isfinite(found[is16]) ? found[is16] : 1.0) * per_row;
    }
    return cost[0] <= cost[1] ? Precision::int8 : Precision::int16;
}

}  // namespace rsir
