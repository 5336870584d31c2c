#include "check.h"
#include "kernels/hamming_topk.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

using Codes = std::vector<std::uint8_t>;

std::int32_t hamming_distance(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bits) {
    std::int32_t count = 0;
    for (std::int64_t i = 0; i < bits; ++i) count += (a[i / 8] >> (i % 8) & 1) != (b[i / 8] >> (i % 8) & 1);
    return count;
}

// Half of the codes are near each other; the bits beyond the last one are set at random.
Codes codes(Random& random, std::int64_t n, std::int64_t bytes) {
    Codes values(static_cast<std::size_t>(n * bytes));
    for (std::uint8_t& value : values) {
        value = static_cast<std::uint8_t>(random.below(2) ? random.next() : 1u << random.below(8));
    }
    return values;
}

void check_search(const Codes& queries, std::int64_t q, const Codes& database, std::int64_t n, std::int64_t bits,
                  const std::vector<std::int64_t>& depths) {
    const std::int64_t bytes = (bits + 7) / 8;
    std::vector<std::vector<std::int32_t>> all(static_cast<std::size_t>(q));
    for (std::int64_t i = 0; i < q; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
            all[static_cast<std::size_t>(i)].push_back(
                hamming_distance(queries.data() + i * bytes, database.data() + j * bytes, bits));
        }
    }
    const Exact<std::uint8_t> exact_queries(queries), exact_database(database);
    for (const std::int64_t k : depths) {
        const Case here("q=", q, " n=", n, " bits=", bits, " k=", k);
        std::vector<std::int32_t> expected_distances;
        std::vector<std::int64_t> expected_ids;
        for (const auto& row : all) {
            append_smallest(row, k, std::numeric_limits<std::int32_t>::max(), expected_distances, expected_ids);
        }
        each_context([&](const Context& context) {
            Output<std::int32_t> distances(q * k);
            Output<std::int64_t> ids(q * k);
            CHECK(hamming_topk(exact_queries.data(), q, exact_database.data(), n, bits, k, distances.data(), ids.data(),
                               context) == Status::ok);
            CHECK_BITS(distances, expected_distances);
            CHECK_BITS(ids, expected_ids);

            Output<std::uint8_t> planes(hamming_planes_bytes(n, bits));
            CHECK(hamming_prepare(exact_database.data(), n, bits, planes.data(), context) == Status::ok);
            Output<std::int32_t> prepared_distances(q * k);
            Output<std::int64_t> prepared_ids(q * k);
            CHECK(hamming_topk_prepared(exact_queries.data(), q, planes.data(), n, bits, k, prepared_distances.data(),
                                        prepared_ids.data(), context) == Status::ok);
            CHECK_BITS(prepared_distances, expected_distances);
            CHECK_BITS(prepared_ids, expected_ids);
        });
    }
}

}  // namespace

TEST(all_sizes) {
    Random random(5);
    std::size_t round = 0;
    const std::vector<std::int64_t> query_counts = {1, 2, 3, 8, 9, 17};
    for (const std::int64_t bits :
         sizes({0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 130, 255, 256, 257, 512, 1000},
               {0, 1, 12, 64, 130, 257})) {
        for (const std::int64_t n :
             sizes({0, 1, 7, 8, 9, 15, 16, 17, 47, 48, 49, 63, 64, 65, 100, 129}, {0, 1, 9, 65})) {
            const std::int64_t q = query_counts[round++ % query_counts.size()];
            check_search(codes(random, q, (bits + 7) / 8), q, codes(random, n, (bits + 7) / 8), n, bits,
                         reduced() ? std::vector<std::int64_t>{1, n + 3} : std::vector<std::int64_t>{0, 1, n, n + 3});
        }
    }
}

TEST(many_codes) {
    Random random(6);
    const std::int64_t n = reduced() ? 2000 : 20000;
    for (const std::int64_t q : {1, 20}) check_search(codes(random, q, 8), q, codes(random, n, 8), n, 64, {1, 10, 300});
}

TEST(equal_codes) { check_search(Codes(16), 2, Codes(8 * 300), 300, 64, {1, 299, 300}); }

TEST(no_queries) { check_search({}, 0, {1, 2, 3}, 3, 8, {2}); }

TEST(forced_isa) {
    check_forced_isa([](const Context& context) {
        const std::uint8_t code = 0;
        std::int32_t distance;
        std::int64_t id;
        hamming_topk(&code, 1, &code, 1, 8, 1, &distance, &id, context);
    });
}
