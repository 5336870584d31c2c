// Searches among allowed rows: the bits of a search of the matrix of these rows, whatever the pass, and no other row
// read.
#include <algorithm>
#include <cmath>
#include <limits>

#include "check.h"
#include "kernels/cpu/allowed_rows.h"
#include "kernels/cpu/certified_topk.h"
#include "kernels/cpu/dense_topk.h"
#include "kernels/relevant_ranks.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

using Floats = std::vector<float>;
using Ids = std::vector<std::int64_t>;

// A bitmap of n rows that begins at bit `first`, all bits before and behind set.
std::vector<std::uint8_t> bitmap_of(const Ids& rows, std::int64_t first, std::int64_t n) {
    std::vector<std::uint8_t> bits(static_cast<std::size_t>((first + n + 7) / 8), 255);
    const auto byte = [&](std::int64_t row) -> std::uint8_t& {
        return bits[static_cast<std::size_t>((first + row) / 8)];
    };
    for (std::int64_t row = 0; row < n; ++row) byte(row) &= static_cast<std::uint8_t>(~(1 << (first + row) % 8));
    for (const std::int64_t row : rows) byte(row) |= static_cast<std::uint8_t>(1 << (first + row) % 8);
    return bits;
}

Ids some_rows(Random& random, std::int64_t n, double share) {
    Ids rows;
    for (std::int64_t row = 0; row < n; ++row) {
        if (random.uniform() < share) rows.push_back(row);
    }
    return rows;
}

struct Problem {
    Floats queries, database;
    std::int64_t q, n, d;
};

Problem random_problem(Random& random, std::int64_t q, std::int64_t n, std::int64_t d, Kind kind) {
    Problem problem{numbers<float>(random, q * d, kind), matrix<float>(random, n, d, kind), q, n, d};
    std::copy_n(problem.database.begin() + n / 2 * d, d, problem.queries.begin());
    return problem;
}

// The dense and the certified pass with both precisions in every context. In the matrix, though not where its sidecar
// was made, rows that are not allowed are copies of the first query, so that a distance taken of one shows.
void check_problem(const Problem& problem, const Ids& allowed, std::int64_t k, std::int64_t first) {
    const auto [queries, database, q, n, d] = problem;
    const Case here("q=", q, " n=", n, " d=", d, " k=", k, " allowed=", allowed.size(), " first=", first);
    Floats expected;
    Ids expected_ids;
    for (std::int64_t i = 0; i < q; ++i) {
        Floats distances;
        Ids places;
        for (const std::int64_t row : allowed) {
            distances.push_back(squared_distance(queries.data() + i * d, database.data() + row * d, d));
        }
        append_smallest(distances, k, std::numeric_limits<float>::infinity(), expected, places);
        for (const std::int64_t place : places) {
            expected_ids.push_back(place < 0 ? -1 : allowed[static_cast<std::size_t>(place)]);
        }
    }
    Floats poisoned;
    for (std::int64_t row = 0; row < n; ++row) poisoned.insert(poisoned.end(), queries.begin(), queries.begin() + d);
    for (const std::int64_t row : allowed) std::copy_n(database.begin() + row * d, d, poisoned.begin() + row * d);
    const Exact<float> exact_queries(queries), exact_database(database), exact_poisoned(poisoned);
    const Exact<std::uint8_t> bits(bitmap_of(allowed, first, n));
    const Rows wanted = rows_of(exact_queries.data(), d), rows = rows_of(exact_poisoned.data(), d);
    const Allowed where{bits.data(), first, n};
    each_context([&](const Context& context) {
        Output<float> dense(q * k);
        Output<std::int64_t> dense_ids(q * k);
        SearchCounts counts;
        CHECK(euclidean_topk(wanted, q, rows, where, nullptr, k, dense.data(), dense_ids.data(), counts, context) ==
              Status::ok);
        CHECK_BITS(dense, expected);
        CHECK_BITS(dense_ids, expected_ids);
        for (const Precision precision : {Precision::int8, Precision::int16}) {
            const Case codes("bytes of a code=", precision == Precision::int8 ? 1 : 2);
            Sidecar sidecar;
            CHECK(build_sidecar(rows_of(exact_database.data(), d), n, precision, k, sidecar, context) == Status::ok);
            Output<float> distances(q * k);
            Output<std::int64_t> ids(q * k);
            CHECK(euclidean_topk(wanted, q, rows, where, &sidecar, k, distances.data(), ids.data(), counts, context) ==
                  Status::ok);
            CHECK_BITS(distances, expected);
            CHECK_BITS(ids, expected_ids);

            // The same rows in blocks that begin at no multiple of 8, one of them without rows.
            const std::int64_t starts[] = {0, n / 3, n / 3, n / 2 + 1, n};
            Sidecar sidecars[4];
            std::vector<RowBlock> blocks;
            for (int i = 0; i < 4; ++i) {
                const std::int64_t size = starts[i + 1] - starts[i];
                if (size > 0) {
                    const Rows part = rows_of(exact_database.data(), d).from(starts[i]);
                    CHECK(build_sidecar(part, size, precision, k, sidecars[i], context) == Status::ok);
                }
                blocks.push_back({rows.from(starts[i]), size, i == 1 ? nullptr : &sidecars[i]});
            }
            Output<float> together(q * k);
            Output<std::int64_t> ids_together(q * k);
            CHECK(euclidean_topk(wanted, q, blocks.data(), 4, where, k, together.data(), ids_together.data(), counts,
                                 context) == Status::ok);
            CHECK_BITS(together, expected);
            CHECK_BITS(ids_together, expected_ids);
        }
    });
}

}  // namespace

TEST(allowed_rows_by_their_places) {
    Random random(1);
    for (const std::int64_t n : sizes({1, 100, 4096, 4097, 30000}, {100, 9000})) {
        for (const double share : {0.0003, 0.01, 0.5, 1.0}) {
            const Ids rows = some_rows(random, n, share);
            const std::vector<std::uint8_t> bits = bitmap_of(rows, 5, n);
            const AllowedRows allowed({bits.data(), 5, n});
            const Case here("n=", n, " share=", share);
            const auto count = static_cast<std::int64_t>(rows.size());
            CHECK(allowed.count() == count);
            CHECK(allowed.row_at(count) == n);
            for (std::int64_t place = 0; place < count; place += 1 + count / 50) {
                CHECK(allowed.row_at(place) == rows[static_cast<std::size_t>(place)]);
                Ids taken(static_cast<std::size_t>(std::min<std::int64_t>(count - place, 300)));
                allowed.take(place, static_cast<std::int64_t>(taken.size()), taken.data());
                CHECK(std::equal(taken.begin(), taken.end(), rows.begin() + place));
            }
        }
    }
}

TEST(every_share_at_every_offset) {
    Random random(2);
    std::int64_t turn = 0;
    for (const Kind kind : kKinds) {
        for (const std::int64_t n : sizes({17, 600, 2100}, {17, 600})) {
            for (const double share : {0.0, 0.01, 0.1, 0.5, 0.95, 1.0}) {
                const Problem problem = random_problem(random, 1 + turn % 10, n, turn % 2 == 0 ? 20 : 33, kind);
                check_problem(problem, some_rows(random, n, share), turn % 3 == 0 ? 1 : 7, turn % 11);
                ++turn;
            }
        }
    }
}

TEST(no_neighbours_are_asked_for) {
    Random random(6);
    check_problem(random_problem(random, 3, 600, 8, Kind::uniform), some_rows(random, 600, 0.5), 0, 3);
}

// Enough elements for several threads, and stretches of allowed rows in which ranges must be balanced.
TEST(stretches_of_allowed_rows) {
    Random random(3);
    const std::int64_t n = reduced() ? 9000 : 40000;
    for (const std::int64_t q : {1, 40}) {
        const Problem problem = random_problem(random, q, n, 128, Kind::uniform);
        Ids at_the_end, islands;
        for (std::int64_t row = n - 3000; row < n; ++row) at_the_end.push_back(row);
        for (std::int64_t row = 0; row < n; ++row) {
            if (row / 200 % 9 == 4) islands.push_back(row);
        }
        if (!reduced() || q == 1) check_problem(problem, at_the_end, 10, 3);
        if (!reduced() || q == 40) check_problem(problem, islands, 10, 0);
    }
}

// Equal rows: candidates overflow into the dense pass, which has to keep to the allowed rows as well. Rows without a
// bound are answers only where they are allowed.
TEST(equal_and_wild_rows) {
    Random random(4);
    Problem problem = random_problem(random, 5, 3000, 12, Kind::uniform);
    for (std::int64_t row = 1; row < 3000; ++row)
        std::copy_n(problem.database.begin(), 12, &problem.database[12 * row]);
    check_problem(problem, some_rows(random, 3000, 0.4), 4, 6);
    Problem wild = random_problem(random, 5, 3000, 12, Kind::uniform);
    for (std::int64_t row = 0; row < 3000; row += 7) wild.database[static_cast<std::size_t>(row * 12 + 3)] = 1e30f;
    wild.database[36] = std::nanf("");
    check_problem(wild, some_rows(random, 3000, 0.3), 9, 1);
}

// Places among the allowed rows; an own item that is not allowed has none.
TEST(ranks_among_allowed_rows) {
    Random random(5);
    for (const std::int64_t n : sizes({40, 700}, {90})) {
        const std::int64_t d = 9, q = std::min<std::int64_t>(n, 20);
        const Problem problem = random_problem(random, q, n, d, Kind::ties);
        const Ids allowed = some_rows(random, n, 0.5);
        const Exact<std::uint8_t> bits(bitmap_of(allowed, 3, n));
        Ids members, first, offsets{0}, self, expected, expected_self;
        for (std::int64_t i = 0; i < q; ++i) {  // relevant: every fourth row
            first.push_back(static_cast<std::int64_t>(members.size()));
            Floats distances, sorted;
            Ids places;
            for (const std::int64_t row : allowed) {
                if (row % 4 == i % 4) members.push_back(row);
                distances.push_back(
                    squared_distance(problem.queries.data() + i * d, problem.database.data() + row * d, d));
            }
            offsets.push_back(static_cast<std::int64_t>(members.size()));
            append_smallest(distances, static_cast<std::int64_t>(allowed.size()), 0.0f, sorted, places);
            self.push_back(std::binary_search(allowed.begin(), allowed.end(), i) ? i : -1);
            expected_self.push_back(0);
            for (std::size_t rank = 1; rank <= places.size(); ++rank) {
                const std::int64_t row = allowed[static_cast<std::size_t>(places[rank - 1])];
                if (row % 4 == i % 4) expected.push_back(static_cast<std::int64_t>(rank));
                if (row == self.back()) expected_self.back() = static_cast<std::int64_t>(rank);
            }
        }
        const Rows queries = rows_of(problem.queries.data(), d), rows = rows_of(problem.database.data(), d);
        const std::vector<RowPart> whole{{rows, n}}, cut{{rows, 13}, {rows.from(13), 0}, {rows.from(13), n - 13}};
        const Case here("n=", n);
        each_context([&](const Context& context) {
            for (const auto& parts : {whole, cut}) {
                Output<std::int64_t> ranks(offsets.back()), self_ranks(q);
                std::shared_ptr<RankMarks> found;
                CHECK(relevant_ranks(queries, q, parts.data(), static_cast<std::int64_t>(parts.size()),
                                     {bits.data(), 3, n}, members.data(), first.data(), offsets.data(), self.data(),
                                     found, context) == Status::ok);
                CHECK(take_ranks(*found, 0, q, ranks.data(), self_ranks.data(), context) == Status::ok);
                CHECK_BITS(ranks, expected);
                CHECK_BITS(self_ranks, expected_self);
            }
        });
    }
}
