// The parts of certify that a search of rows for themselves needs: products of some steps, tested from both sides.
#include <algorithm>

#include "certify_tables.h"
#include "check.h"

using namespace rsir;
using namespace rsir::test;

namespace {

constexpr std::int64_t kRows = 16;

struct alignas(64) CacheLine {
    std::uint8_t bytes[64];
};

// What 4 bytes of codes, a row's and a query's, contribute.
std::int32_t product(const std::uint8_t* row, const std::int8_t* query, bool is8) {
    std::int32_t sum = 0;
    for (int j = 0; j < 4 && is8; ++j) sum += row[j] * query[j];
    for (int j = 0; j < 2 && !is8; ++j) {
        std::int16_t x = 0, y = 0;
        std::memcpy(&x, row + 2 * j, sizeof x);
        std::memcpy(&y, query + 2 * j, sizeof y);
        sum += x * y;
    }
    return sum;
}

// Random bytes are codes of both precisions, if int16 codes are kept from being large.
std::uint8_t random_byte(Random& random, std::int64_t at, bool is8, std::int32_t limit) {
    if (is8) return static_cast<std::uint8_t>(random.below(2 * static_cast<std::uint64_t>(limit) + 1));
    return at % 2 == 0 ? static_cast<std::uint8_t>(random.below(256))
                       : static_cast<std::uint8_t>(random.below(33) - 16);
}

void check_sums(const Codes& table, bool is8, std::int64_t count, std::int64_t groups, Random& random) {
    const std::int64_t steps = 37, panel = 2, stride = groups * kRows + 5;
    std::vector<CacheLine> panels(static_cast<std::size_t>((panel + groups) * steps));
    auto* rows = reinterpret_cast<std::uint8_t*>(panels.data());
    for (std::size_t i = 0; i < panels.size() * 64; ++i)
        rows[i] = random_byte(random, static_cast<std::int64_t>(i), is8, 127);
    std::vector<std::int8_t> queries;
    for (std::int64_t i = 0; i < steps * count * 4; ++i) {
        queries.push_back(
            static_cast<std::int8_t>(random_byte(random, i, is8, table.query_limit) - (is8 ? table.query_limit : 0)));
    }
    std::vector<CacheLine> codes(static_cast<std::size_t>(table.query_bytes(count, steps) + 63) / 64);
    auto* stored = reinterpret_cast<std::int8_t*>(codes.data());
    for (std::int64_t q = 0; q < count; ++q) {
        table.store_query(reinterpret_cast<const std::uint8_t*>(queries.data()) + q * steps * 4, steps, q, count,
                          stored);
    }
    for (const auto& [first, last] : {std::pair<std::int64_t, std::int64_t>{0, 37}, {0, 32}, {32, 37}, {20, 21}}) {
        if (table.unit > 1 && first % 32 != 0) continue;  // tiles take so many steps at once
        const Case here("count=", count, " groups=", groups, " steps ", first, " to ", last);
        Output<std::int32_t> sums(count * stride);
        std::vector<std::int32_t> expected;
        for (std::int64_t i = 0; i < count * stride; ++i) {
            expected.push_back(static_cast<std::int32_t>(random.below(1000)));
            sums.data()[i] = expected.back();
            const std::int64_t q = i / stride, row = i % stride;
            for (std::int64_t t = first; t < last && row < groups * kRows; ++t) {
                expected.back() += product(rows + (((panel + row / kRows) * steps + t) * kRows + row % kRows) * 4,
                                           queries.data() + (q * steps + t) * 4, is8);
            }
        }
        table.sums({rows, steps, nullptr, nullptr}, panel, groups, first, last, stored, count, sums.data(), stride);
        CHECK_BITS(sums, expected);
    }
}

// Small whole numbers, so that tests are met exactly, and all bits are foreseen.
std::vector<float> whole(Random& random, std::int64_t count, std::uint64_t below) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.below(below)));
    return values;
}

}  // namespace

TEST(sums_of_some_steps_are_the_integer_model) {
    for (const CertifyTable& entry : certify_tables()) {
        const Case here("table=", entry.name);
        Random random(1);
        for (const bool is8 : {true, false}) {
            const Codes& table = is8 ? entry.certify->int8 : entry.certify->int16;
            if (table.sums == nullptr) continue;
            CHECK(table.own_queries > 0 && 48 % table.own_queries == 0 && table.own_queries % table.unit == 0);
            for (std::int64_t count = table.unit; count <= table.own_queries; count += table.unit) {
                for (const std::int64_t groups : {1, 3, 5}) check_sums(table, is8, count, groups, random);
            }
        }
    }
}

TEST(pairs_are_tested_from_both_sides) {
    Random random(2);
    const std::int64_t panel = 3, first = 5, count = 21, stride = 50, n = (panel + 1) * kRows;
    for (const CertifyTable& entry : certify_tables()) {
        if (entry.certify->test_pairs == nullptr) continue;
        for (int turn = 0; turn < 20; ++turn) {
            const Case here("table=", entry.name, " turn=", turn);
            const std::vector<float> slope = whole(random, n, 4), reach = whole(random, n, 4),
                                     cutoff = whole(random, n, 30), scale = whole(random, n, 3),
                                     radius = whole(random, n, 5), excess = whole(random, n, 20);
            std::vector<std::int32_t> products;
            for (std::int64_t i = 0; i < count * stride; ++i)
                products.push_back(static_cast<std::int32_t>(random.below(9)) - 2);
            std::vector<std::uint16_t> expected_query, expected_row;
            std::vector<float> expected;
            for (std::int64_t i = 0; i < count; ++i) {
                std::uint32_t as_query = 0, as_row = 0;
                std::vector<std::uint32_t> expected_ids{77};
                std::vector<float> expected_estimates{7.0f};
                const auto x = static_cast<std::size_t>(first + i);
                for (std::int64_t lane = 0; lane < kRows; ++lane) {
                    const auto y = static_cast<std::size_t>(panel * kRows + lane);
                    const auto dot = static_cast<float>(products[static_cast<std::size_t>(i * stride + lane)]);
                    const float own = excess[y] - dot * scale[y] * slope[x],
                                other = excess[x] - dot * scale[x] * slope[y];
                    expected.push_back(other);
                    const bool passes = reach[x] * radius[y] - own >= cutoff[x];
                    as_query |= std::uint32_t{passes} << lane;
                    as_row |= std::uint32_t{reach[y] * radius[x] - other >= cutoff[y]} << lane;
                    if (!passes) continue;
                    expected_ids.push_back(static_cast<std::uint32_t>(y));
                    expected_estimates.push_back(own);
                }
                expected_query.push_back(static_cast<std::uint16_t>(as_query));
                expected_row.push_back(static_cast<std::uint16_t>(as_row));

                Output<std::uint32_t> ids(1 + 2 * kRows);
                Output<float> estimates(1 + 2 * kRows);
                ids.data()[0] = 77;
                estimates.data()[0] = 7.0f;
                Candidates query;
                query.slope = slope[x];
                query.reach = reach[x];
                query.cutoff = cutoff[x];
                query.count = 1;
                query.ids = ids.data();
                query.estimates = estimates.data();
                const Exact<float> last_excess({excess.end() - kRows, excess.end()});
                entry.certify->test_rows(products.data() + i * stride, {nullptr, 0, scale.data(), radius.data()}, panel,
                                         last_excess.data(), query);
                CHECK(query.count == static_cast<std::int32_t>(expected_ids.size()));
                check_bytes(__FILE__, __LINE__, "ids", ids.data(), expected_ids.data(), expected_ids.size(), 4);
                check_bytes(__FILE__, __LINE__, "estimates", estimates.data(), expected_estimates.data(),
                            expected_estimates.size(), 4);
                CHECK(ids.sentinels_intact() && estimates.sentinels_intact());
            }
            const PairNumbers numbers{slope.data(), reach.data(),  cutoff.data(),
                                      scale.data(), radius.data(), excess.data()};
            Output<std::uint16_t> as_query(count), as_row(count);
            Output<float> estimates(count * kRows);
            entry.certify->test_pairs(products.data(), stride, numbers, first, count, panel, as_query.data(),
                                      as_row.data(), estimates.data());
            CHECK_BITS(as_query, expected_query);
            CHECK_BITS(as_row, expected_row);
            CHECK_BITS(estimates, expected);
        }
    }
}
