#include "hamming_cases.h"
#include "kernels/cuda/again.cuh"

using namespace rsir;
using namespace rsir::test;
using cuda::Key;

namespace {

void check_search(const Words& queries, std::int64_t q, const Words& database, std::int64_t n, std::int64_t bits,
                  std::int64_t k, std::int64_t parts) {
    const Case here("q=", q, " n=", n, " bits=", bits, " k=", k, " parts=", parts);
    const Answer expected = on_cpu(queries, q, database, n, bits, k);
    const DeviceArray<std::uint64_t> device_queries(queries), device_database(database);
    const int words = static_cast<int>((bits + 63) / 64);
    const cuda::HammingProblem problem{device_queries.data(), device_database.data(), q, n, words, mask_of(bits)};
    next_order([&] {
        const DeviceArray<Key> keys(q * k * parts);
        const DeviceArray<std::uint32_t> distances(q * k);
        const DeviceArray<std::int64_t> ids(q * k);
        CHECK(cuda::hamming_scan(problem, k, parts, keys.data(), nullptr) == cudaSuccess);
        CHECK(cuda::select_smallest({keys.data(), q, k * parts, k * parts, nullptr, nullptr, k, 0x7fffffffu,
                                     distances.data(), ids.data()},
                                    nullptr) == cudaSuccess);
        CHECK_DEVICE(distances, expected.distances);
        CHECK_DEVICE(ids, expected.ids);
    });
}

}  // namespace

TEST(sizes_queries_parts) {
    Random random(41);
    std::size_t round = 0;
    const std::vector<std::int64_t> depths = {1, 10, 256, 257}, queries = {1, 2, 8, 9}, parts = {1, 2, 3};
    for (const std::int64_t bits : sizes({1, 12, 63, 64, 65, 128, 150, 320}, {12, 64, 150})) {
        for (const std::int64_t n : sizes({1, 255, 1023, 1024, 1025, 2049, 5000}, {1, 1025, 3000})) {
            const std::int64_t q = queries[round % 4], k = depths[round / 2 % 4], part = parts[round % 3];
            ++round;
            const int words = static_cast<int>((bits + 63) / 64);
            check_search(codes(random, q, words), q, codes(random, n, words), n, bits, k, part);
        }
    }
}

// Every code that comes is nearer than all before: candidates overflow in every tile.
TEST(nearest_last) {
    Random random(42);
    for (const std::int64_t q : {1, 3}) {
        for (const int words : {1, 2}) {
            const Words queries(static_cast<std::size_t>(q * words), 0);
            check_search(queries, q, codes(random, 4100, words, true), 4100, 64 * words, 30, 1);
        }
    }
}

// One query's candidates overflow in every tile, the other's hardly ever: only some of them are cut.
TEST(one_query_fills) {
    Random random(44);
    check_search({0, ~std::uint64_t{0}}, 2, codes(random, 4100, 1, true), 4100, 64, 30, 1);
}

// All at one distance: the smallest ids win.
TEST(all_equal) {
    const Words queries(3, 7), database(3000, 8);
    for (const std::int64_t k : {1, 200, 300}) check_search(queries, 3, database, 3000, 64, k, 2);
}

TEST(all_keys) {
    Random random(43);
    for (const std::int64_t bits : {40, 64, 200}) {
        const int words = static_cast<int>((bits + 63) / 64);
        const std::int64_t q = 3, n = 700;
        const Words queries = codes(random, q, words), database = codes(random, n, words);
        const Answer sorted = on_cpu(queries, q, database, n, bits, n);
        std::vector<Key> expected(static_cast<std::size_t>(q * n));
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const auto id = static_cast<std::size_t>(sorted.ids[i]);
            expected[i / static_cast<std::size_t>(n) * static_cast<std::size_t>(n) + id] =
                static_cast<Key>(sorted.distances[i]) << 32 | id;
        }
        const DeviceArray<std::uint64_t> device_queries(queries), device_database(database);
        each_order([&] {
            const DeviceArray<Key> keys(q * n);
            CHECK(cuda::hamming_keys({device_queries.data(), device_database.data(), q, n, words, mask_of(bits)},
                                     keys.data(), nullptr) == cudaSuccess);
            CHECK_DEVICE(keys, expected);
        });
    }
}

TEST(again) {
    Random random(45);
    const std::int64_t q = 3, n = 60000, k = 5, lists = cuda::most_lists(q);
    const Words queries = codes(random, q, 1), database = codes(random, n, 1);
    const Answer expected = on_cpu(queries, q, database, n, 64, k);
    const DeviceArray<std::uint64_t> device_queries(queries), device_database(database);
    const cuda::HammingProblem problem{device_queries.data(), device_database.data(), q, n, 1, ~std::uint64_t{0}};
    const DeviceArray<int> again(std::vector<int>{1, 2, 7, 7});
    const DeviceArray<Key> keys(lists * k);
    const DeviceArray<std::int32_t> distances(q * k);
    const DeviceArray<std::int64_t> ids(q * k);
    next_order([&] {
        CHECK(cuda::hamming_scan_again(problem, k, again.data(), keys.data(), distances.data(), ids.data(), nullptr) ==
              cudaSuccess);
    });
    for (std::int64_t i = 0; i < q * k; ++i) {
        const auto at = static_cast<std::size_t>(i);
        CHECK(distances[i] == (i < 2 * k ? static_cast<std::int32_t>(0xa5a5a5a5u) : expected.distances[at]));
        CHECK(i < 2 * k || ids[i] == expected.ids[at]);
    }
    std::int64_t filled = 0;
    for (std::int64_t i = 0; i < lists * k; ++i) filled += keys[i] != 0xa5a5a5a5a5a5a5a5u ? 1 : 0;
    CHECK(filled == 3 * k);  // no part is smaller than is worth a block
}
