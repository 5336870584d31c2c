#include "check.h"
#include "kernels/euclidean_topk.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

template <class T>
void check_search(const std::vector<T>& queries, std::int64_t q, const std::vector<T>& database, std::int64_t n,
                  std::int64_t d, const std::vector<std::int64_t>& depths) {
    std::vector<std::vector<float>> all(static_cast<std::size_t>(q));
    for (std::int64_t i = 0; i < q; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
            all[static_cast<std::size_t>(i)].push_back(
                squared_distance(queries.data() + i * d, database.data() + j * d, d));
        }
    }
    const Exact<T> exact_queries(queries), exact_database(database);
    const Rows wanted = rows_of(exact_queries.data(), d), rows = rows_of(exact_database.data(), d);
    for (const std::int64_t k : depths) {
        const Case here("q=", q, " n=", n, " d=", d, " k=", k, " bytes=", sizeof(T));
        std::vector<float> expected_distances;
        std::vector<std::int64_t> expected_ids;
        for (const auto& row : all) {
            append_smallest(row, k, std::numeric_limits<float>::infinity(), expected_distances, expected_ids);
        }
        each_context([&](const Context& context) {
            Output<float> distances(q * k);
            Output<std::int64_t> ids(q * k);
            SearchCounts counts;
            CHECK(euclidean_topk(wanted, q, rows, {nullptr, 0, n}, nullptr, k, distances.data(), ids.data(), counts,
                                 context) == Status::ok);
            CHECK_BITS(distances, expected_distances);
            CHECK_BITS(ids, expected_ids);
            CHECK(counts.dense == q);
            for (const Precision precision : {Precision::int8, Precision::int16}) {
                if (n == 0 || d == 0) continue;
                const Case certified("bytes of a code=", precision == Precision::int8 ? 1 : 2);
                Sidecar sidecar;
                CHECK(build_sidecar(rows, n, precision, k, sidecar, context) == Status::ok);
                Output<float> again(q * k);
                Output<std::int64_t> same(q * k);
                CHECK(euclidean_topk(wanted, q, rows, {nullptr, 0, n}, &sidecar, k, again.data(), same.data(), counts,
                                     context) == Status::ok);
                CHECK_BITS(again, expected_distances);
                CHECK_BITS(same, expected_ids);
            }
        });
    }
}

template <class T>
void check_sizes() {
    Random random(1);
    std::size_t round = 0;
    const std::vector<std::int64_t> query_counts = {1, 2, 3, 8, 9, 17};
    for (const std::int64_t d : sizes({0, 1, 31, 32, 33, 64, 65, 130}, {0, 1, 33, 130})) {
        for (const std::int64_t n : sizes({0, 1, 6, 7, 8, 9, 15, 16, 17, 47, 48, 49, 100}, {0, 1, 9, 17, 49})) {
            for (const Kind kind : kKinds) {
                const std::int64_t q = query_counts[round++ % query_counts.size()];
                const auto database = matrix<T>(random, n, d, kind);
                auto queries = matrix<T>(random, q, d, kind);
                // A query that is in the database: its distance is 0.
                if (n > 0) std::copy_n(database.begin() + (n / 2) * d, d, queries.begin());
                check_search(queries, q, database, n, d, sizes({0, 1, n, n + 3}, {1, n + 3}));
            }
        }
    }
}

template <class T>
void check_knife_edge() {
    Random random(10);
    for (const std::int64_t d : {4, 32, 33, 64, 100, 130, 515}) {
        auto query = numbers<T>(random, d, Kind::uniform);
        std::fill(query.end() - 3, query.end(), T(0));
        check_search(query, 1, knife_edge_rows(random, query, 100), 100, d, {100});
    }
}

}  // namespace

TEST(float_sizes) { check_sizes<float>(); }
TEST(double_sizes) { check_sizes<double>(); }

TEST(float_knife_edge) { check_knife_edge<float>(); }
TEST(double_knife_edge) { check_knife_edge<double>(); }

TEST(many_rows) {
    Random random(2);
    const std::int64_t n = reduced() ? 700 : 5000;
    for (const std::int64_t q : {1, 40}) {
        check_search(matrix<float>(random, q, 40, Kind::ties), q, matrix<float>(random, n, 40, Kind::ties), n, 40,
                     {1, 10, 300});
    }
}

TEST(no_queries) { check_search<float>({}, 0, {1, 2, 3}, 3, 1, {2}); }

TEST(forced_isa) {
    check_forced_isa([](const Context& context) {
        const float x[8] = {};
        float distance;
        std::int64_t id;
        SearchCounts counts;
        euclidean_topk(rows_of(x, 8), 1, rows_of(x, 8), {nullptr, 0, 1}, nullptr, 1, &distance, &id, counts, context);
    });
    check_forced_isa([](const Context& context) {
        const float x[8] = {};
        float distance;
        std::int64_t id;
        SearchCounts counts;
        Sidecar sidecar;
        build_sidecar(rows_of(x, 8), 1, Precision::automatic, 1, sidecar, context);
        euclidean_topk(rows_of(x, 8), 1, rows_of(x, 8), {nullptr, 0, 1}, &sidecar, 1, &distance, &id, counts, context);
    });
}
