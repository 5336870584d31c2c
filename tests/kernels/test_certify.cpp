// The parts of certify by themselves: integer tiles, selection among candidates. Quantisation:
// test_certify_quantize.cpp.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "certify_tables.h"
#include "check.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

constexpr std::int64_t kRows = 16;
constexpr std::int64_t kRoom = kMaxTileRows + 16;
constexpr float kEverything = -std::numeric_limits<float>::max();

using Values = std::vector<std::int32_t>;  // [vectors, d]

enum class Spread { random, extreme };

// Codes within `limit` of random signs; extreme: all at the limit.
Values codes8(Random& random, std::int64_t count, std::int64_t d, std::int32_t limit, Spread spread) {
    Values values(static_cast<std::size_t>(count * d));
    for (std::int32_t& value : values) {
        const auto size = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(limit) + 1));
        value = spread == Spread::extreme ? limit : size;
        if (random.below(2) == 1 && (spread == Spread::random || random.below(64) == 0)) value = -value;
    }
    return values;
}

// Codes of |c|^2 < 2^31. extreme: two of +-32766, side by side, so that one pair of products is close to +-2^31.
Values codes16(Random& random, std::int64_t count, std::int64_t d, Spread spread) {
    Values values(static_cast<std::size_t>(count * d));
    const auto limit = static_cast<std::int32_t>(std::min(32766.0, 46340 / std::sqrt(static_cast<double>(d))));
    for (std::int64_t i = 0; i < count; ++i) {
        const bool extreme = spread == Spread::extreme && d >= 2;
        for (std::int64_t j = 0; j < d && !extreme; ++j) {
            const auto below = random.below(2 * static_cast<std::uint64_t>(limit) + 1);
            values[static_cast<std::size_t>(i * d + j)] = static_cast<std::int32_t>(below) - limit;
        }
        const std::int32_t sign = random.below(2) == 0 ? 1 : -1;
        for (std::int64_t j = 0; j < 2 && extreme; ++j) values[static_cast<std::size_t>(i * d + j)] = 32766 * sign;
    }
    return values;
}

// Codes of one step, 4 bytes, as panels and queries hold them.
void store_step(void* out, const Values& values, std::int64_t vector, std::int64_t d, std::int64_t step, bool is8,
                int flip) {
    for (std::int64_t j = 0; j < (is8 ? 4 : 2); ++j) {
        const std::int64_t at = step * (is8 ? 4 : 2) + j;
        const std::int32_t value = at < d ? values[static_cast<std::size_t>(vector * d + at)] : 0;
        const auto narrow = static_cast<std::int16_t>(value);
        const auto byte = static_cast<std::uint8_t>(value + flip);
        if (is8) {
            std::memcpy(static_cast<char*>(out) + j, &byte, 1);
        } else {
            std::memcpy(static_cast<char*>(out) + 2 * j, &narrow, 2);
        }
    }
}

struct Aligned {
    explicit Aligned(std::int64_t bytes) : memory(std::aligned_alloc(64, static_cast<std::size_t>(bytes)), std::free) {}
    std::uint8_t* data() { return static_cast<std::uint8_t*>(memory.get()); }
    std::unique_ptr<void, void (*)(void*)> memory;
};

// One tile against the model. exact: small whole numbers and cutoffs that many rows meet exactly, so that test (3) has
// one answer and every estimate every bit; otherwise every row is appended, and estimates may be fused or not.
void check_tile(const Codes& table, bool is8, std::int64_t d, std::int64_t count, std::int64_t groups, Spread spread,
                bool exact, Random& random) {
    const Case here(is8 ? "int8" : "int16", " d=", d, " count=", count, " groups=", groups, " exact=", exact);
    const std::int64_t steps = is8 ? (d + 3) / 4 : (d + 1) / 2, n = groups * kRows;
    // Exact: sums stay below 2^20.
    const std::int32_t few = 3;
    const Values rows = exact || is8 ? codes8(random, n, d, exact ? few : 127, spread) : codes16(random, n, d, spread);
    const Values queries = exact || is8 ? codes8(random, count, d, exact ? few : table.query_limit, spread)
                                        : codes16(random, count, d, spread);
    // Every other panel of a database is chosen; of the others nothing may count.
    std::vector<std::uint32_t> chosen;
    for (std::int64_t g = 0; g < groups; ++g) chosen.push_back(static_cast<std::uint32_t>(2 * g + 1));
    const auto spread_row = [](std::int64_t i) { return (i / kRows * 2 + 1) * kRows + i % kRows; };
    const std::int64_t all = 2 * n;
    Aligned panels(all * steps * 4);
    std::vector<std::int8_t> stored(static_cast<std::size_t>(table.query_bytes(count, steps)));
    std::vector<std::uint8_t> steps_of_one(static_cast<std::size_t>(steps * 4));
    for (std::int64_t t = 0; t < steps; ++t) {
        for (std::int64_t i = 0; i < n; ++i) {
            store_step(panels.data() + ((spread_row(i) / kRows * steps + t) * kRows + i % kRows) * 4, rows, i, d, t,
                       is8, is8 ? 128 : 0);
        }
    }
    for (std::int64_t q = 0; q < count; ++q) {
        for (std::int64_t t = 0; t < steps; ++t) store_step(steps_of_one.data() + t * 4, queries, q, d, t, is8, 0);
        table.store_query(steps_of_one.data(), steps, q, count, stored.data());
    }
    std::vector<float> scale, excess, radius, all_scale(static_cast<std::size_t>(all), std::nanf("")),
        all_radius(all_scale);
    for (std::int64_t i = 0; i < n; ++i) {
        scale.push_back(exact ? 2.0f : static_cast<float>(random.uniform()));
        excess.push_back(static_cast<float>(random.below(50)) - 25.0f);
        radius.push_back(static_cast<float>(random.below(4)));
        all_scale[static_cast<std::size_t>(spread_row(i))] = scale.back();
        all_radius[static_cast<std::size_t>(spread_row(i))] = radius.back();
        // What rows beyond n and wild rows have.
        if (random.below(9) == 0) excess.back() = std::numeric_limits<float>::infinity();
    }
    const Exact<float> exact_scale(all_scale), exact_excess(excess), exact_radius(all_radius);
    const Exact<std::int8_t> exact_codes(stored);

    constexpr std::int32_t kBefore = 5;  // candidates already there
    std::vector<Output<std::uint32_t>> ids(static_cast<std::size_t>(count), Output<std::uint32_t>(kBefore + kRoom));
    std::vector<Output<float>> estimates(static_cast<std::size_t>(count), Output<float>(kBefore + kRoom));
    std::vector<Candidates> states(static_cast<std::size_t>(count));
    std::vector<Candidates*> pointers;
    std::vector<std::vector<std::uint32_t>> expected_ids(states.size());
    std::vector<std::vector<float>> expected_estimates(states.size());
    for (std::size_t q = 0; q < states.size(); ++q) {
        std::int32_t sum = 0;
        for (std::int64_t j = 0; j < d; ++j)
            sum += queries[q * static_cast<std::size_t>(d) + static_cast<std::size_t>(j)];
        Candidates& state = states[q];
        state.slope = exact ? 2.0f : static_cast<float>(random.uniform());
        state.reach = exact ? 3.0f : 0.0f;
        state.start = is8 ? -128 * sum : 0;
        state.count = kBefore;
        state.ids = ids[q].data();
        state.estimates = estimates[q].data();
        state.cutoff = kEverything;
        std::vector<float> left;
        for (std::int64_t i = 0; i < n; ++i) {
            const auto slot = static_cast<std::size_t>(i);
            std::int64_t dot = 0;
            for (std::int64_t j = 0; j < d; ++j) {
                dot += std::int64_t{rows[static_cast<std::size_t>(i * d + j)]} *
                       queries[q * static_cast<std::size_t>(d) + static_cast<std::size_t>(j)];
            }
            const float product = static_cast<float>(static_cast<std::int32_t>(dot)) * scale[slot] * state.slope;
            expected_estimates[q].push_back(excess[slot] - product);
            left.push_back(product + (state.reach * radius[slot] - excess[slot]));
        }
        if (exact) state.cutoff = left[random.below(left.size())];
        if (!std::isfinite(state.cutoff)) state.cutoff = 0.0f;
        std::vector<float> kept;
        for (std::size_t i = 0; i < left.size(); ++i) {
            if (!(left[i] >= state.cutoff)) continue;
            expected_ids[q].push_back(static_cast<std::uint32_t>(spread_row(static_cast<std::int64_t>(i))));
            kept.push_back(expected_estimates[q][i]);
        }
        expected_estimates[q] = kept;
        pointers.push_back(&state);
    }
    table.tile({panels.data(), steps, exact_scale.data(), exact_radius.data()}, chosen.data(), groups,
               exact_excess.data(), exact_codes.data(), count, pointers.data());
    const Output<std::uint32_t> untouched(kBefore);
    for (std::size_t q = 0; q < states.size(); ++q) {
        const Case query("query=", q);
        const std::size_t found = expected_ids[q].size();
        CHECK(states[q].count == kBefore + static_cast<std::int32_t>(found));
        if (states[q].count != kBefore + static_cast<std::int32_t>(found)) continue;
        check_bytes(__FILE__, __LINE__, "ids", ids[q].data() + kBefore, expected_ids[q].data(), found, 4);
        if (exact) {
            check_bytes(__FILE__, __LINE__, "estimates", estimates[q].data() + kBefore, expected_estimates[q].data(),
                        found, 4);
        }
        for (std::size_t i = 0; i < found; ++i) {
            const double expected = static_cast<double>(expected_estimates[q][i]);
            const double error = std::abs(static_cast<double>(estimates[q].data()[kBefore + i]) - expected);
            CHECK(error <= 0x1p-22 * (std::abs(expected) + 25) || std::isinf(expected));
        }
        check_bytes(__FILE__, __LINE__, "ids before", ids[q].data(), untouched.data(), kBefore, 4);
        CHECK(ids[q].sentinels_intact() && estimates[q].sentinels_intact());
    }
}

// All numbers of queries of a small tile, and those about the edges of a large one.
std::vector<std::int64_t> counts_of(const Codes& table) {
    std::vector<std::int64_t> counts;
    for (std::int64_t count = 1; count <= std::min<std::int64_t>(table.max_queries, 8); ++count)
        counts.push_back(count);
    for (const std::int64_t count : sizes({15, 16, 17, 31, 32, 33, 48, 63, 64}, {17, 63})) {
        if (count <= table.max_queries) counts.push_back(count);
    }
    return counts;
}

void check_tiles(bool is8) {
    for (const CertifyTable& entry : certify_tables()) {
        const Case here("table=", entry.name);
        const Codes& table = is8 ? entry.certify->int8 : entry.certify->int16;
        Random random(1);
        std::vector<std::int64_t> widths;
        // Large tiles are slow where they are a model: their edges are at multiples of 16 steps.
        const std::int64_t every = table.max_queries > 16 ? 5 : 1;
        for (std::int64_t step = 1; step <= 70; step += sizes({every}, {13})[0]) widths.push_back(step * (is8 ? 4 : 2));
        for (const std::int64_t d : {std::int64_t{1}, std::int64_t{3}, std::int64_t{2047}, std::int64_t{4097}}) {
            widths.push_back(d);
        }
        for (const std::int64_t d : widths) {
            for (const std::int64_t count : counts_of(table)) {
                const std::int64_t most = table.tile_groups(count, is8 ? (d + 3) / 4 : (d + 1) / 2);
                CHECK(1 <= most && most * kRows <= kMaxTileRows);
                for (std::int64_t groups = 1; groups <= most; ++groups) {
                    if (d > 2000 && reduced() && 1 < groups && groups < most) continue;
                    if (d < 2000) check_tile(table, is8, d, count, groups, Spread::random, true, random);
                    check_tile(table, is8, d, count, groups, Spread::random, false, random);
                    check_tile(table, is8, d, count, groups, Spread::extreme, false, random);
                }
            }
        }
    }
}

}  // namespace

TEST(int8_tiles_are_the_integer_model) { check_tiles(true); }
TEST(int16_tiles_are_the_integer_model) { check_tiles(false); }

// The widest vectors, every code at its limit: the sums come within 2 % of 2^31 where rows are stored as code + 128.
TEST(tiles_of_the_widest_vectors_do_not_overflow) {
    for (const CertifyTable& entry : certify_tables()) {
        const Case here("table=", entry.name);
        Random random(2);
        for (const std::int64_t count : {std::int64_t{1}, entry.certify->int8.max_queries}) {
            check_tile(entry.certify->int8, true, 1 << 16, count, 1, Spread::extreme, false, random);
            check_tile(entry.certify->int16, false, 1 << 16, count, 1, Spread::random, false, random);
        }
    }
}

TEST(select_is_between_the_kth_and_what_it_allows) {
    Random random(4);
    for (const CertifyTable& entry : certify_tables()) {
        const Case here("table=", entry.name);
        for (const std::int64_t count : sizes({1, 2, 15, 16, 17, 33, 500, 4096}, {1, 2, 17, 500})) {
            for (int kind = 0; kind < 4; ++kind) {
                std::vector<float> values;
                for (std::int64_t i = 0; i < count; ++i) {
                    const auto even = static_cast<float>(2 * random.uniform() - 1);
                    values.push_back(kind == 0   ? even
                                     : kind == 1 ? static_cast<float>(random.below(3)) - 1.0f
                                     : kind == 2 ? even * std::ldexp(1.0f, static_cast<int>(random.below(240)) - 120)
                                                 : -0.0f);
                }
                std::vector<float> sorted = values;
                std::sort(sorted.begin(), sorted.end());
                const Exact<float> exact(values);
                for (const std::int64_t k :
                     {std::int64_t{1}, std::int64_t{2}, count / 8, count / 2, count - 1, count}) {
                    if (k < 1 || k > count) continue;
                    const Case depth("count=", count, " k=", k, " kind=", kind);
                    const float chosen = entry.certify->select(exact.data(), count, k);
                    const auto below = std::upper_bound(sorted.begin(), sorted.end(), chosen) - sorted.begin();
                    CHECK(below >= k);
                    // Beyond what is allowed there are only values equal to the chosen one.
                    const auto smaller = std::lower_bound(sorted.begin(), sorted.end(), chosen) - sorted.begin();
                    CHECK(smaller <= k + k / 8 + 8);
                }
            }
        }
    }
}

TEST(widest_and_filter_are_their_models) {
    Random random(5);
    for (const CertifyTable& entry : certify_tables()) {
        for (std::int32_t turn = 0; turn < 8 * 20; ++turn) {
            const std::int32_t count = std::array{0, 1, 15, 16, 17, 63, 64, 300}[static_cast<std::size_t>(turn % 8)];
            const Case here("table=", entry.name, " count=", count);
            std::vector<float> radius(500);
            for (float& value : radius) value = static_cast<float>(random.below(100));
            const Exact<float> exact(radius);
            Output<std::uint32_t> ids(static_cast<std::size_t>(count) + 16);  // the room that candidates have
            Output<float> estimates(static_cast<std::size_t>(count) + 16);
            Candidates query;
            query.reach = 2.0f;
            query.cutoff = static_cast<float>(random.below(100));
            query.count = count;
            query.ids = ids.data();
            query.estimates = estimates.data();
            const float bound = 10.0f;
            float widest = 0;
            std::vector<std::uint32_t> kept_ids;
            std::vector<float> kept;
            for (std::int32_t i = 0; i < count; ++i) {
                const std::uint64_t id = random.below(radius.size());
                ids.data()[i] = static_cast<std::uint32_t>(id);
                estimates.data()[i] = static_cast<float>(random.below(120)) - 20.0f;
                if (estimates.data()[i] <= bound) widest = std::max(widest, radius[id]);
                // Whole numbers: equality with the cutoff is frequent, and keeps.
                if (query.reach * radius[id] - estimates.data()[i] < query.cutoff) continue;
                kept_ids.push_back(ids.data()[i]);
                kept.push_back(estimates.data()[i]);
            }
            CHECK(entry.certify->widest(query, bound, exact.data()) == widest);
            entry.certify->filter(query, exact.data());
            CHECK(query.count == static_cast<std::int32_t>(kept.size()));
            check_bytes(__FILE__, __LINE__, "ids", ids.data(), kept_ids.data(), kept.size(), 4);
            check_bytes(__FILE__, __LINE__, "estimates", estimates.data(), kept.data(), kept.size(), 4);
            CHECK(ids.sentinels_intact() && estimates.sentinels_intact());
        }
    }
}
