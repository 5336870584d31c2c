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

double norm(const float* x, std::int64_t size) {
    double sums[kLanes] = {};
    for (std::int64_t i = 0; i < size; i += kLanes) {
        for (int j = 0; j < kLanes; ++j) sums[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
    }
    double sum = 0;
    for (const double part : sums) sum += part;
    return sum;
}

void distances(float own, const float* norms, std::int64_t n, float* products) {
    for (std::int64_t i = 0; i < n; ++i) {
        const float distance = (own + norms[i]) - 2.0f * products[i];
        products[i] = distance < 0.0f ? 0.0f : distance;  // NaN stays
    }
}

std::int64_t place(const RankTable& table, const float* distances, std::int64_t n, std::uint32_t* counts,
                   std::uint32_t* open) {
    constexpr std::int64_t kStretch = 256;
    constexpr std::uint32_t kInfinity = 0x7f800000;
    std::uint32_t places[kStretch], entries[kStretch];
    std::uint64_t near[kStretch];  // the mark that an entry names, and above it the next
    const std::uint32_t steps = table.steps, nowhere = table.nowhere();
    std::int64_t left = 0;
    // In passes of one kind each: what can be done for many at once, and what cannot. No branch could be foreseen.
    for (std::int64_t first = 0; first < n; first += kStretch) {
        const std::int64_t count = n - first < kStretch ? n - first : kStretch;
        for (std::int64_t i = 0; i < count; ++i) {
            places[i] = static_cast<std::uint32_t>(table.bucket_of(distances[first + i]));
        }
        for (std::int64_t i = 0; i < count; ++i) {
            entries[i] = table.entries[places[i]];
            __builtin_memcpy(near + i, table.marks + (entries[i] & RankTable::kPlace), sizeof near[i]);
        }
        for (std::int64_t i = 0; i < count; ++i) {
            std::uint32_t bits;
            __builtin_memcpy(&bits, distances + first + i, sizeof bits);
            const auto mark = static_cast<std::uint32_t>(near[i]), next = static_cast<std::uint32_t>(near[i] >> 32);
            const bool is_placed = (bits - mark + steps > 2 * steps) & (bits - next + steps > 2 * steps) &
                                   (entries[i] < RankTable::kSearch) & (bits < kInfinity);
            places[i] = is_placed ? entries[i] + (bits > mark ? 1 : 0) + (bits > next ? 1 : 0) : nowhere;
        }
        for (std::int64_t i = 0; i < count; ++i) {
            ++counts[places[i]];
            open[left] = static_cast<std::uint32_t>(first + i);
            left += places[i] == nowhere;
        }
    }
    return left;
}
