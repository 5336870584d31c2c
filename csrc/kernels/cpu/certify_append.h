// Test (3) for one query and one panel, for instruction sets without a compressing store: included like
// certify_common.h.

constexpr int kGroup = 16;

const std::uint8_t* panel_of(const Panels& panels, std::uint32_t number) {
    return panels.codes + number * (panels.steps * kGroup * 4);
}

void append(const std::int32_t* sums, Candidates& query, const Panels& panels, std::uint32_t number,
            const float* excess) {
    const std::uint32_t first = number * kGroup;
    const float *scale = panels.scale + first, *radius = panels.radius + first;
    float estimates[kGroup];
    std::int32_t found[kGroup], any = 0;
    for (int i = 0; i < kGroup; ++i) {
        const float product = static_cast<float>(sums[i]) * scale[i] * query.slope;
        estimates[i] = excess[i] - product;
        found[i] = query.reach * radius[i] - estimates[i] >= query.cutoff ? 1 : 0;
        any |= found[i];
    }
    if (any == 0) return;
    for (int i = 0; i < kGroup; ++i) {
        query.ids[query.count] = first + static_cast<std::uint32_t>(i);
        query.estimates[query.count] = estimates[i];
        query.count += found[i];
    }
}
