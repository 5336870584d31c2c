// What the candidates of a query go through between tiles, an element at a time: included like certify_common.h, for
// instruction sets that cannot gather and compress.

float widest(const Candidates& query, float bound, const float* radius) {
    float widest = 0;
    for (std::int32_t i = 0; i < query.count; ++i) {
        const float counted = query.estimates[i] <= bound ? radius[query.ids[i]] : 0.0f;
        widest = counted > widest ? counted : widest;
    }
    return widest;
}

void filter(Candidates& query, const float* radius) {
    std::int32_t kept = 0;
    for (std::int32_t i = 0; i < query.count; ++i) {
        const std::uint32_t id = query.ids[i];
        const float estimate = query.estimates[i];
        query.ids[kept] = id;
        query.estimates[kept] = estimate;
        kept += query.reach * radius[id] - estimate >= query.cutoff ? 1 : 0;
    }
    query.count = kept;
}
