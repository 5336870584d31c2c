#include "kernels/cpu/centred_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

constexpr std::int64_t kSample = 1024, kRowsPerTask = 256;
constexpr std::int64_t kTileRows = 8;  // at most: the last tile may go beyond the last row
constexpr std::int64_t kCopies = 16;   // of rows that are normalised as they are read

}  // namespace

CentredRows::CentredRows(std::int64_t d, std::int64_t most)
    : d_(d), stride_(padded(d) + 16), numbers_((most + kTileRows) * stride_) {}

void CentredRows::take(const Rows& matrix, RowReader& reader, const std::int64_t* ids, std::int64_t count,
                       const float* mean, const Certify& certify, const float* norms) {
    for (std::int64_t first = 0; first < count; first += kCopies) {
        const std::int64_t end = std::min(count, first + kCopies);
        const Rows block = reader.copies() ? reader.take(ids + first, end - first) : matrix;
        for (std::int64_t i = first; i < end; ++i) {
            float* out = numbers_.data() + i * stride_;
            const bool is_wild = std::isnan(norms[i]);
            if (!is_wild) certify.centre(block, reader.copies() ? i - first : ids[i], mean, out);
            std::fill(out + (is_wild ? 0 : d_), out + stride_, 0.0f);
        }
    }
}

std::vector<float> sample_mean(const std::vector<Rows>& parts, const std::vector<std::int64_t>& counts, Isa isa) {
    const std::int64_t d = parts.front().d;
    std::int64_t n = 0;
    for (const std::int64_t count : counts) n += count;
    const std::int64_t step = std::max<std::int64_t>(1, n / kSample);
    std::vector<double> sums(static_cast<std::size_t>(d)), row(sums.size());
    std::vector<std::int64_t> added(sums.size());
    for (std::size_t part = 0; part < parts.size(); ++part) {
        RowReader reader(parts[part], isa, 1);
        for (std::int64_t i = 0; i < counts[part]; i += step) {
            widen_row(reader.take(i, 1), 0, row.data());
            for (std::size_t j = 0; j < sums.size(); ++j) {
                if (!(std::abs(row[j]) <= static_cast<double>(kLargest))) continue;
                sums[j] += row[j];
                ++added[j];
            }
        }
    }
    std::vector<float> mean(sums.size());
    for (std::size_t j = 0; j < sums.size(); ++j) {
        mean[j] = static_cast<float>(sums[j] / static_cast<double>(std::max<std::int64_t>(1, added[j])));
    }
    return mean;
}

Status centred_norms(const Rows& matrix, std::int64_t n, const float* mean, const Context& context, float* norms,
                     float* offs) {
    const Certify& certify = certify_for(context.isa);
    const SingleProduct& product = single_product(context.isa);
    const std::vector<double> weights = single_weights(product, matrix.d);
    const double least = kSingleLeast / 2 * static_cast<double>(matrix.d + 64);
    const std::int64_t tasks = (n + kRowsPerTask - 1) / kRowsPerTask;
    return parallel_for(context, tasks, [&](std::int64_t task, Poll&) {
        RowReader reader(matrix, context.isa, 1);
        Numbers<float> row(std::max(kLanes, padded(matrix.d)));
        std::fill_n(row.data(), std::max(kLanes, padded(matrix.d)), 0.0f);
        for (std::int64_t i = task * kRowsPerTask; i < std::min(n, (task + 1) * kRowsPerTask); ++i) {
            certify.centre(reader.take(i, 1), 0, mean, row.data());
            double weighted = 0;
            const double norm = product.norm(row.data(), padded(matrix.d), weights.data(), &weighted);
            // Elements below it, and so squares of distances, stay far from the largest float.
            const bool is_covered = norm <= static_cast<double>(kLargest) * static_cast<double>(kLargest);
            offs[i] = static_cast<float>(kSingleError * weighted + least);
            norms[i] = is_covered ? static_cast<float>(norm) : std::numeric_limits<float>::quiet_NaN();
        }
    });
}

}  // namespace rsir
