#include "kernels/sidecar.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/precision.h"
#include "kernels/cpu/quantizer.h"
#include "kernels/cpu/row_reader.h"
#include "kernels/cpu/sidecar_block.h"

namespace rsir {
namespace {

// Any vector serves as the mean: a sample is enough.
constexpr std::int64_t kLeastMeanRows = 256, kMeanRows = 1024;
constexpr std::int64_t kTrialRows = 64;
constexpr std::int64_t kTaskElements = std::int64_t{1} << 17;

// The i-th of `count` rows spread evenly over n.
std::int64_t spread(std::int64_t i, std::int64_t count, std::int64_t n) { return i * n / count; }

std::vector<float> sample_mean(RowReader& rows, std::int64_t n, std::int64_t d, const Certify& certify) {
    const std::int64_t count = std::min(n, std::clamp(n / 16, kLeastMeanRows, kMeanRows));
    std::vector<double> sum(static_cast<std::size_t>(d));
    std::vector<float> row(sum.size());
    for (std::int64_t i = 0; i < count; ++i) {
        certify.centre(rows.take(spread(i, count, n), 1), 0, nullptr, row.data());
        for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += static_cast<double>(row[j]);
    }
    std::vector<float> mean(sum.size());
    std::transform(sum.begin(), sum.end(), mean.begin(), [count](double total) {
        const double value = total / static_cast<double>(count);
        return std::abs(value) <= static_cast<double>(kLargest) ? static_cast<float>(value) : 0.0f;
    });
    return mean;
}

// Sum of the residual norms of some rows: what the mean is chosen by.
double trial(RowReader& rows, std::int64_t n, std::int64_t d, const float* mean, const Certify& certify) {
    const std::int64_t count = std::min(n, kTrialRows);
    Quantizer quantizer(d, mean, Precision::int8, certify);
    double radius = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        radius += static_cast<double>(quantizer.run(rows.take(spread(i, count, n), 1), 0, kRowLimit).radius);
    }
    return radius;
}

}  // namespace

Status build_sidecar(const Rows& rows, std::int64_t n, Precision precision, std::int64_t k, Sidecar& sidecar,
                     const Context& context, Normalize normalized) {
    const Certify& certify = certify_for(context.isa);
    std::vector<float> mean;
    {
        const DefaultFloatEnvironment environment;
        RowReader reader(rows, context.isa, 1);
        mean = sample_mean(reader, n, rows.d, certify);
        if (!(trial(reader, n, rows.d, mean.data(), certify) < trial(reader, n, rows.d, nullptr, certify))) {
            mean.clear();
        }
        if (precision == Precision::automatic) {
            precision = cheaper_precision(rows, n, k, mean.empty() ? nullptr : mean.data(), certify, context.isa);
        }
    }
    if (rows.normalize != Normalize::none) normalized = rows.normalize;
    const std::shared_ptr<std::uint8_t> block = new_sidecar_block(n, rows.d, precision, !mean.empty(), normalized);
    auto* header = reinterpret_cast<SidecarHeader*>(block.get());
    const auto floats = [&](std::int64_t begin) { return reinterpret_cast<float*>(block.get() + begin); };
    if (!mean.empty()) std::copy(mean.begin(), mean.end(), floats(header->mean));
    const float* subtracted = mean.empty() ? nullptr : floats(header->mean);
    float *scale = floats(header->scale), *radius = floats(header->radius), *excess = floats(header->excess);
    const std::int64_t groups = Sidecar::groups_of(n), slots = groups * Sidecar::kGroup;
    const std::int64_t group_bytes = Sidecar::steps_of(rows.d, precision) * Sidecar::kGroup * 4;
    std::fill_n(scale, slots, 0.0f);
    std::fill_n(radius, slots, 0.0f);
    std::fill_n(excess, slots, std::numeric_limits<float>::infinity());

    std::mutex mutex;
    std::vector<std::uint32_t> all_wild;
    float widest = 0;
    double longest = 0;
    const std::int64_t task_groups = std::max<std::int64_t>(1, kTaskElements / (Sidecar::kGroup * rows.d));
    const auto quantize_groups = [&](std::int64_t first, std::int64_t last) {
        Quantizer quantizer(rows.d, subtracted, precision, certify);
        RowReader reader(rows, context.isa, Sidecar::kGroup);
        std::vector<std::uint32_t> wild;
        float task_widest = 0;
        double task_longest = 0;
        for (std::int64_t group = first; group < last; ++group) {
            const std::int64_t start = group * Sidecar::kGroup, count = std::min(Sidecar::kGroup, n - start);
            Code codes[Sidecar::kGroup];
            quantizer.run_panel(reader.take(start, count), 0, count, codes,
                                block.get() + header->panels + group * group_bytes);
            for (std::int64_t i = 0; i < count; ++i) {
                const Code& code = codes[i];
                const std::int64_t slot = start + i;
                if (code.wild) {
                    wild.push_back(static_cast<std::uint32_t>(slot));
                    continue;
                }
                scale[slot] = code.scale;
                radius[slot] = code.radius;
                excess[slot] = rounded_down(code.norm * (1 - kMargin));
                task_widest = std::max(task_widest, code.radius);
                task_longest = std::max(task_longest, code.norm);
            }
        }
        const std::lock_guard<std::mutex> lock(mutex);
        all_wild.insert(all_wild.end(), wild.begin(), wild.end());
        widest = std::max(widest, task_widest);
        longest = std::max(longest, task_longest);
    };
    const Status status =
        parallel_for(context, (groups + task_groups - 1) / task_groups, [&](std::int64_t task, Poll&) {
            quantize_groups(task * task_groups, std::min(groups, (task + 1) * task_groups));
        });
    if (status != Status::ok) return status;
    std::sort(all_wild.begin(), all_wild.end());
    std::copy(all_wild.begin(), all_wild.end(), reinterpret_cast<std::uint32_t*>(block.get() + header->wild));
    header->wild_count = static_cast<std::int64_t>(all_wild.size());
    header->bytes = header->wild + 4 * header->wild_count;
    header->widest = widest;
    header->longest = rounded_up(std::sqrt(longest) * (1 + 0x1p-40));
    sidecar = read_sidecar(block.get(), header->bytes);
    sidecar.memory = block;
    return Status::ok;
}

}  // namespace rsir
