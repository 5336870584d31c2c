// certified_topk as a whole: the bits of dense_topk, which queries it leaves, and how much its bounds exclude.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "check.h"
#include "kernels/cpu/certified_topk.h"
#include "kernels/cpu/dense_topk.h"
#include "kernels/cpu/isa.h"

using namespace rsir;
using namespace rsir::test;

namespace {

using Floats = std::vector<float>;

struct Problem {
    Floats queries, database;
    std::int64_t q, n, d;
};

// Both precisions, every context: decided queries have the bits of the dense pass, the others are not written, and
// euclidean_topk has them all.
void check_problem(const Problem& problem, std::int64_t k, bool nothing_is_decided = false) {
    const auto [queries, database, q, n, d] = problem;
    const Case here("q=", q, " n=", n, " d=", d, " k=", k);
    const Exact<float> exact_queries(queries), exact_database(database);
    const Rows wanted = rows_of(exact_queries.data(), d), rows = rows_of(exact_database.data(), d);
    std::vector<float> expected(static_cast<std::size_t>(q * k));
    std::vector<std::int64_t> expected_ids(expected.size());
    const SearchedBlock plain{rows, AllowedRows({nullptr, 0, n}), nullptr, 0};
    dense_topk(wanted, nullptr, q, {&plain, 1}, k, expected.data(), expected_ids.data(), Context{});
    each_context([&](const Context& context) {
        for (const Precision precision : {Precision::int8, Precision::int16}) {
            const Case codes("bytes of a code=", precision == Precision::int8 ? 1 : 2);
            Sidecar sidecar;
            CHECK(build_sidecar(rows, n, precision, k, sidecar, context) == Status::ok);
            std::vector<std::int64_t> undecided;
            SearchCounts counts;
            Output<float> part(q * k), distances(q * k);
            Output<std::int64_t> part_ids(q * k), ids(q * k);
            const Output<float> untouched(k);
            const SearchedBlock block{rows, plain.allowed, &sidecar, 0};
            CHECK(certified_topk(wanted, q, {&block, 1}, k, part.data(), part_ids.data(), undecided, counts, context) ==
                  Status::ok);
            CHECK(counts.dense == static_cast<std::int64_t>(undecided.size()));
            CHECK(std::is_sorted(undecided.begin(), undecided.end()));
            if (nothing_is_decided) CHECK(counts.dense == q);
            for (std::int64_t i = 0; i < q; ++i) {
                const Case query("query=", i);
                const auto place = static_cast<std::size_t>(i * k), width = static_cast<std::size_t>(k);
                const bool left = std::binary_search(undecided.begin(), undecided.end(), i);
                check_bytes(__FILE__, __LINE__, "distances", part.data() + place,
                            left ? untouched.data() : expected.data() + place, width, 4);
                if (!left) {
                    check_bytes(__FILE__, __LINE__, "ids", part_ids.data() + place, expected_ids.data() + place, width,
                                8);
                }
            }
            CHECK(part.sentinels_intact() && part_ids.sentinels_intact());
            CHECK(euclidean_topk(wanted, q, rows, {nullptr, 0, n}, &sidecar, k, distances.data(), ids.data(), counts,
                                 context) == Status::ok);
            CHECK_BITS(distances, expected);
            CHECK_BITS(ids, expected_ids);
        }
    });
}

// Rows with exact duplicates far apart, so that ties cross ranges and tiles; the first queries are rows.
Problem with_duplicates(Random& random, std::int64_t q, std::int64_t n, std::int64_t d, Kind kind = Kind::uniform) {
    Problem problem{numbers<float>(random, q * d, kind), numbers<float>(random, n * d, kind), q, n, d};
    const auto row = [&](std::int64_t i) { return problem.database.begin() + i * d; };
    for (std::int64_t i = 0; i < 12; ++i) {
        const auto from = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)));
        std::copy_n(row(i % 3), d, row(from));
    }
    std::copy_n(row(0), d, row(n - 1));
    for (std::int64_t i = 0; i < std::min<std::int64_t>(q, 3); ++i)
        std::copy_n(row(i), d, problem.queries.begin() + i * d);
    return problem;
}

}  // namespace

TEST(sizes_around_the_edges_of_tiles) {
    Random random(1);
    std::int64_t q = 0;
    for (const std::int64_t n : sizes({16, 17, 511, 512, 513, 527, 528, 529, 530}, {17, 528})) {
        for (const std::int64_t k : {std::int64_t{1}, std::int64_t{10}, n / 8, n}) {
            check_problem(with_duplicates(random, 1 + q++ % 19, n, 20), k);
        }
    }
}

TEST(sizes_around_the_edges_of_ranges) {
    Random random(2);
    for (const std::int64_t n : sizes({4095, 4096, 4097, 8195, 20483}, {8195})) {
        for (const std::int64_t k : sizes({1, 10, n / 8}, {10})) check_problem(with_duplicates(random, 4, n, 12), k);
    }
}

TEST(more_queries_than_a_block) {
    Random random(3);
    for (const std::int64_t q : sizes({255, 257, 600}, {70})) check_problem(with_duplicates(random, q, 700, 9), 5);
}

TEST(few_distinct_values) {
    Random random(4);
    for (const std::int64_t n : sizes({600, 9000}, {600})) {
        check_problem(with_duplicates(random, 7, n, 6, Kind::ties), 20);
        check_problem(with_duplicates(random, 7, n, 2, Kind::ties), 3);
    }
}

// The mean is subtracted from rows and queries, or neither.
TEST(numbers_far_from_zero) {
    Random random(8);
    for (const float offset : {0.0f, 2.0f, -30.0f, 5000.0f}) {
        Problem problem = with_duplicates(random, 9, reduced() ? 600 : 9000, 24);
        for (Floats* values : {&problem.queries, &problem.database}) {
            for (float& value : *values) value += offset;
        }
        check_problem(problem, 10);
    }
}

TEST(wild_rows_and_queries) {
    Random random(5);
    const std::int64_t n = reduced() ? 600 : 9000, d = 10;
    for (const float wild : {std::nanf(""), std::numeric_limits<float>::infinity(), 1e30f, -1e13f, 3e38f}) {
        Problem problem = with_duplicates(random, 9, n, d);
        for (const std::int64_t row : {std::int64_t{1}, std::int64_t{17}, n / 2, n - 2}) {
            problem.database[static_cast<std::size_t>(row * d + 3)] = wild;
        }
        problem.queries[static_cast<std::size_t>(4 * d)] = wild;
        problem.queries[static_cast<std::size_t>(8 * d + 9)] = -wild;
        check_problem(problem, 10);
    }
    // Nearly all rows wild: fewer candidates than neighbours.
    Problem problem = with_duplicates(random, 3, 600, d);
    for (std::size_t i = 5 * d; i < problem.database.size(); i += d) problem.database[i] = 1e20f;
    check_problem(problem, 30);
    check_problem(with_duplicates(random, 5, 700, d, Kind::hostile), 10);
}

// All rows at one distance: no bound excludes any, the candidates overflow, and the dense pass answers.
TEST(equal_rows_overflow_into_the_dense_pass) {
    Random random(6);
    for (const std::int64_t n : sizes({600, 9000}, {600})) {
        const Floats row = numbers<float>(random, 11, Kind::uniform);
        Problem problem{numbers<float>(random, 5 * 11, Kind::uniform), {}, 5, n, 11};
        for (std::int64_t i = 0; i < n; ++i) problem.database.insert(problem.database.end(), row.begin(), row.end());
        std::copy_n(row.begin(), 11, problem.queries.begin());
        check_problem(problem, 4, true);
    }
}

namespace {

// The same rows in many blocks of uneven sizes, of which some have no sidecar: the bits of the dense pass.
void check_blocks(Random& random, const Problem& problem, std::int64_t k) {
    const auto [queries, database, q, n, d] = problem;
    const Case here("q=", q, " n=", n, " d=", d, " k=", k);
    const Rows wanted = rows_of(queries.data(), d), rows = rows_of(database.data(), d);
    const SearchedBlock plain{rows, AllowedRows({nullptr, 0, n}), nullptr, 0};
    std::vector<float> expected(static_cast<std::size_t>(q * k));
    std::vector<std::int64_t> expected_ids(expected.size());
    dense_topk(wanted, nullptr, q, {&plain, 1}, k, expected.data(), expected_ids.data(), Context{});
    std::vector<std::int64_t> starts{0};
    while (starts.back() < n) {
        const std::int64_t most = starts.size() % 4 == 0 ? 12 : starts.size() % 4 == 1 ? 5000 : 300;
        starts.push_back(
            std::min(n, starts.back() + 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most)))));
    }
    each_context([&](const Context& context) {
        for (const Precision precision : {Precision::int8, Precision::int16}) {
            std::vector<Sidecar> sidecars(starts.size() - 1);
            std::vector<RowBlock> blocks;
            for (std::size_t i = 0; i < sidecars.size(); ++i) {
                const std::int64_t size = starts[i + 1] - starts[i];
                build_sidecar(rows.from(starts[i]), size, precision, k, sidecars[i], context);
                blocks.push_back({rows.from(starts[i]), size, size < 12 ? nullptr : &sidecars[i]});
            }
            SearchCounts counts;
            Output<float> distances(q * k);
            Output<std::int64_t> ids(q * k);
            CHECK(euclidean_topk(wanted, q, blocks.data(), static_cast<std::int64_t>(blocks.size()), {nullptr, 0, n}, k,
                                 distances.data(), ids.data(), counts, context) == Status::ok);
            CHECK_BITS(distances, expected);
            CHECK_BITS(ids, expected_ids);
        }
    });
}

}  // namespace

TEST(many_blocks) {
    Random random(9);
    const std::int64_t n = reduced() ? 3000 : 20000;
    for (const std::int64_t q : sizes({1, 9, 70}, {9})) {
        for (const std::int64_t k : {1, 30, 700}) check_blocks(random, with_duplicates(random, q, n, 12), k);
    }
    check_blocks(random, with_duplicates(random, 7, n, 6, Kind::ties), 20);
    Problem problem = with_duplicates(random, 9, n, 10);
    for (std::size_t i = 5; i < problem.database.size(); i += 997) problem.database[i] = std::nanf("");
    problem.queries[13] = 1e30f;
    check_blocks(random, problem, 10);
    // Equal rows: too many candidates in all blocks together.
    for (std::size_t i = 12; i < problem.database.size(); ++i) problem.database[i] = problem.database[i % 10];
    check_blocks(random, problem, 4);
}

namespace {

// Box-Muller.
float normal(Random& random) {
    return static_cast<float>(std::sqrt(-2 * std::log(1 - random.uniform())) *
                              std::cos(6.283185307 * random.uniform()));
}

// Percent of the pairs that the bounds leave, for k = 10.
double survivors(Precision precision, std::int64_t n, std::int64_t d, bool rectified, const Context& context) {
    Random random(7);
    constexpr std::int64_t kQueries = 20, kClasses = 200;
    Floats centres(static_cast<std::size_t>(kClasses * d)), values(static_cast<std::size_t>((n + kQueries) * d));
    for (float& value : centres) value = normal(random);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t row = i / static_cast<std::size_t>(d), column = i % static_cast<std::size_t>(d);
        // Features after a rectifier: sparse, not negative, in classes.
        values[i] = rectified ? std::max(0.0f, centres[row % kClasses * static_cast<std::size_t>(d) + column] - 0.5f +
                                                   0.7f * normal(random))
                              : normal(random);
    }
    const Rows rows = rows_of(values.data(), d), queries = rows.from(n);
    Sidecar sidecar;
    CHECK(build_sidecar(rows, n, precision, 10, sidecar, context) == Status::ok);
    Floats distances(kQueries * 10);
    std::vector<std::int64_t> ids(distances.size()), undecided;
    SearchCounts counts;
    const SearchedBlock block{rows, AllowedRows({nullptr, 0, n}), &sidecar, 0};
    CHECK(certified_topk(queries, kQueries, {&block, 1}, 10, distances.data(), ids.data(), undecided, counts,
                         context) == Status::ok);
    CHECK(undecided.empty());
    return 100.0 * static_cast<double>(counts.candidates) / static_cast<double>(n * kQueries);
}

}  // namespace

// Exactness alone would be met by bounds that exclude nothing.
TEST(the_bounds_exclude_nearly_all_rows) {
    const std::int64_t n = reduced() ? 2000 : 20000, d = reduced() ? 128 : 512;
    for (const Isa isa : supported_isas()) {
        const Case here("isa=", isa_name(isa));
        for (const bool rectified : {false, true}) {
            const double int8 = survivors(Precision::int8, n, d, rectified, Context{1, isa});
            const double int16 = survivors(Precision::int16, n, d, rectified, Context{1, isa});
            std::printf("       %s, %s: %.3f %% left by int8, %.3f %% by int16\n", isa_name(isa),
                        rectified ? "rectified" : "normal", int8, int16);
            CHECK(int8 <= (reduced() ? 8 : 2));
            CHECK(int16 <= 300.0 * 10 / static_cast<double>(n));  // thrice the answer itself
        }
    }
}
