// What the certify pass of ranks does beside its products: included by each single_product_<isa>.cpp into its own
// anonymous namespace, so that the compiler vectorises it for that instruction set.

template <int kQueries, int kRows>
void store(const float* tile, std::int64_t height, std::int64_t width, bool add, float* out, std::int64_t ld) {
    if (height == kQueries && width == kRows && !add) {
        for (int i = 0; i < kQueries; ++i) __builtin_memcpy(out + i * ld, tile + i * kRows, kRows * sizeof *out);
        return;
    }
    for (std::int64_t i = 0; i < height; ++i) {
        for (std::int64_t j = 0; j < width; ++j) out[i * ld + j] = tile[i * kRows + j] + (add ? out[i * ld + j] : 0.0f);
    }
}

void turn(const float* from, std::int64_t height, std::int64_t width, std::int64_t ld, float* out) {
    std::int64_t i = 0;
    for (; width == kTurned && i + kTurned <= height; i += kTurned) {
        // Each row is a line of its own page, which the hardware does not foresee.
        for (std::int64_t next = i + kTurned; next < i + 2 * kTurned && next < height; ++next) {
            __builtin_prefetch(from + next * ld);
        }
        float block[kTurned][kTurned];
        for (int a = 0; a < kTurned; ++a) __builtin_memcpy(block[a], from + (i + a) * ld, sizeof block[a]);
        for (int j = 0; j < kTurned; ++j) {
            for (int a = 0; a < kTurned; ++a) out[j * height + i + a] = block[a][j];
        }
    }
    for (; i < height; ++i) {
        for (std::int64_t j = 0; j < width; ++j) out[j * height + i] = from[i * ld + j];
    }
}

double norm(const float* x, std::int64_t size, const double* weights, double* weighted) {
    double sums[kLanes] = {}, weighted_sums[kLanes] = {};
    for (std::int64_t i = 0; i < size; i += kLanes) {
        const double weight = weights[i / kLanes];
        for (int j = 0; j < kLanes; ++j) {
            const double square = static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
            sums[j] += square;
            weighted_sums[j] += weight * square;
        }
    }
    double sum = 0;
    *weighted = 0;
    for (int j = 0; j < kLanes; ++j) {
        sum += sums[j];
        *weighted += weighted_sums[j];
    }
    return sum;
}

void distances(float own, const float* norms, std::int64_t n, float* products) {
    for (std::int64_t i = 0; i < n; ++i) {
        const float distance = (own + norms[i]) - 2.0f * products[i];
        products[i] = distance < 0.0f ? 0.0f : distance;  // NaN stays
    }
}

constexpr std::int64_t kStretch = 256;  // of distances that are placed together

// Turns the bucket of each of `count` distances, at most kStretch, into its place, where that of low[i] and of high[i]
// is the same, and one of the kMarks marks from its entry on is above it; otherwise into table.nowhere(): the numbers
// first + i of these go to `open`, and how many they are is returned.
using Settle = std::int64_t (*)(const RankTable& table, std::uint32_t* places, const float* low, const float* high,
                                std::int64_t count, std::int64_t first, std::uint32_t* open);

struct PlainMarks {
    static std::uint32_t below(const std::uint32_t* marks, float distance) {
        std::uint32_t below = 0;
        for (std::uint32_t i = 0; i < RankTable::kMarks; ++i) {
            float mark;
            __builtin_memcpy(&mark, marks + i, sizeof mark);
            below += mark < distance ? 1 : 0;
        }
        return below;
    }
};

// Marks::below tells how many of RankTable::kMarks marks are below a distance; none for NaN.
template <class Marks>
std::int64_t settle(const RankTable& table, std::uint32_t* places, const float* low, const float* high,
                    std::int64_t count, std::int64_t first, std::uint32_t* open) {
    std::int64_t left = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        const std::uint32_t entry = table.entries[places[i]], below = Marks::below(table.marks + entry, low[i]);
        const std::uint32_t at = entry + below;
        float next;
        __builtin_memcpy(&next, table.marks + at, sizeof next);
        const std::uint32_t is_open = (next > high[i] ? 0u : 1u) | below / RankTable::kMarks;
        places[i] = at ^ ((at ^ table.nowhere()) & (0 - is_open));  // a branch could not be foreseen
        open[left] = static_cast<std::uint32_t>(first + i);
        left += is_open;
    }
    return left;
}

template <Settle settle>
std::int64_t place(const RankTable& table, const RankWindow& window, const float* distances, std::int64_t n,
                   std::uint32_t* counts, std::uint32_t* open) {
    std::uint32_t places[kStretch];
    float low[kStretch], high[kStretch];  // a distance is between them
    std::int64_t left = 0;
    // In passes of one kind each: what can be done for many at once, and what cannot.
    for (std::int64_t first = 0; first < n; first += kStretch) {
        const std::int64_t count = n - first < kStretch ? n - first : kStretch;
        for (std::int64_t i = 0; i < count; ++i) {
            places[i] = static_cast<std::uint32_t>(table.bucket_of(distances[first + i]));
        }
        for (std::int64_t i = 0; i < count; ++i) {
            const float off = window.offs == nullptr ? 0.0f : window.own + window.offs[first + i];
            low[i] = distances[first + i] - off;
            high[i] = distances[first + i] + off;
        }
        left += settle(table, places, low, high, count, first, open + left);
#pragma GCC unroll 8
        for (std::int64_t i = 0; i < count; ++i) ++counts[places[i]];
    }
    return left;
}
