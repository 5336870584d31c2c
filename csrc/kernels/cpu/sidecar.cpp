#include "kernels/sidecar.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/precision.h"
#include "kernels/cpu/quantizer.h"

namespace rsir {
namespace {

// Any vector serves as the mean: a sample is enough.
constexpr std::int64_t kLeastMeanRows = 256, kMeanRows = 1024;
constexpr std::int64_t kTrialRows = 64;
constexpr std::int64_t kTaskElements = std::int64_t{1} << 17;
constexpr std::size_t kHugePage = std::size_t{1} << 21;

std::unique_ptr<std::uint8_t, void (*)(void*)> allocate_panels(std::size_t bytes) {
    const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : 64;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
#ifdef __linux__
    // A scan of gigabytes meets many pages; where refused, the small ones do.
    if (alignment == kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return {static_cast<std::uint8_t*>(memory), std::free};
}

// The i-th of `count` rows spread evenly over n.
std::int64_t spread(std::int64_t i, std::int64_t count, std::int64_t n) { return i * n / count; }

std::vector<float> sample_mean(const Rows& rows, std::int64_t n, const Certify& certify) {
    const std::int64_t count = std::min(n, std::clamp(n / 16, kLeastMeanRows, kMeanRows));
    std::vector<double> sum(static_cast<std::size_t>(rows.d));
    std::vector<float> row(sum.size());
    for (std::int64_t i = 0; i < count; ++i) {
        certify.centre(rows, spread(i, count, n), nullptr, row.data());
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
double trial(const Rows& rows, std::int64_t n, const std::vector<float>& mean, const Certify& certify) {
    const std::int64_t count = std::min(n, kTrialRows);
    Quantizer quantizer(rows.d, mean, Precision::int8, certify);
    double radius = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        radius += static_cast<double>(quantizer.run(rows, spread(i, count, n), kRowLimit).radius);
    }
    return radius;
}

}  // namespace

std::int64_t Sidecar::bytes() const {
    return groups() * (steps() * kGroup * 4 + kGroup * 3 * static_cast<std::int64_t>(sizeof(float))) +
           static_cast<std::int64_t>(mean.size() * sizeof(float) + wild.size() * sizeof(std::uint32_t));
}

Status build_sidecar(const Rows& rows, std::int64_t n, Precision precision, std::int64_t k, Sidecar& sidecar,
                     const Context& context) {
    const Certify& certify = certify_for(context.isa);
    sidecar.n = n;
    sidecar.d = rows.d;
    {
        const DefaultFloatEnvironment environment;
        sidecar.mean = sample_mean(rows, n, certify);
        if (!(trial(rows, n, sidecar.mean, certify) < trial(rows, n, {}, certify))) sidecar.mean.clear();
        sidecar.precision = precision == Precision::automatic
                                ? cheaper_precision(rows, n, k, sidecar.mean, certify, canonical_distance(context.isa))
                                : precision;
    }
    const std::int64_t steps = sidecar.steps(), groups = sidecar.groups(), group_bytes = steps * Sidecar::kGroup * 4;
    sidecar.panels = allocate_panels(static_cast<std::size_t>(groups * group_bytes));
    const auto slots = static_cast<std::size_t>(groups * Sidecar::kGroup);
    sidecar.scale.assign(slots, 0.0f);
    sidecar.radius.assign(slots, 0.0f);
    sidecar.excess.assign(slots, std::numeric_limits<float>::infinity());
    sidecar.wild.clear();

    std::mutex mutex;
    float widest = 0;
    double longest = 0;
    const std::int64_t task_groups = std::max<std::int64_t>(1, kTaskElements / (Sidecar::kGroup * rows.d));
    const auto quantize_groups = [&](std::int64_t first, std::int64_t last) {
        Quantizer quantizer(rows.d, sidecar.mean, sidecar.precision, certify);
        std::vector<std::uint32_t> wild;
        float task_widest = 0;
        double task_longest = 0;
        for (std::int64_t group = first; group < last; ++group) {
            const std::int64_t start = group * Sidecar::kGroup, count = std::min(Sidecar::kGroup, n - start);
            Code codes[Sidecar::kGroup];
            quantizer.run_panel(rows, start, count, codes, sidecar.panels.get() + group * group_bytes);
            for (std::int64_t i = 0; i < count; ++i) {
                const Code& code = codes[i];
                const auto slot = static_cast<std::size_t>(start + i);
                if (code.wild) {
                    wild.push_back(static_cast<std::uint32_t>(slot));
                    continue;
                }
                sidecar.scale[slot] = code.scale;
                sidecar.radius[slot] = code.radius;
                sidecar.excess[slot] = rounded_down(code.norm * (1 - kMargin));
                task_widest = std::max(task_widest, code.radius);
                task_longest = std::max(task_longest, code.norm);
            }
        }
        const std::lock_guard<std::mutex> lock(mutex);
        sidecar.wild.insert(sidecar.wild.end(), wild.begin(), wild.end());
        widest = std::max(widest, task_widest);
        longest = std::max(longest, task_longest);
    };
    const Status status =
        parallel_for(context, (groups + task_groups - 1) / task_groups, [&](std::int64_t task, Poll&) {
            quantize_groups(task * task_groups, std::min(groups, (task + 1) * task_groups));
        });
    std::sort(sidecar.wild.begin(), sidecar.wild.end());
    sidecar.widest = widest;
    sidecar.longest = rounded_up(std::sqrt(longest) * (1 + 0x1p-40));
    return status;
}

}  // namespace rsir
