// Hamming search among allowed items: the answer of the CPU, whose own tests hold it against theirs alone.
#include "hamming_cases.h"
#include "kernels/cuda/hamming_many.h"

using namespace rsir;
using namespace rsir::test;
using cuda::Key;

namespace {

constexpr std::int64_t kFirstPhase = 1 << 13;  // items of hamming_many

// By the scan and, under both instruction sets, by many.
void check_search(const Words& queries, std::int64_t q, const Words& database, std::int64_t n, std::int64_t bits,
                  std::int64_t k, const ChosenItems& chosen) {
    const Case here("q=", q, " n=", n, " bits=", bits, " k=", k);
    const Allowed allowed = chosen.allowed();
    const Answer expected = on_cpu(queries, q, database, n, bits, k, &allowed);
    const DeviceArray<std::uint64_t> device_queries(queries), device_database(database);
    const int words = static_cast<int>((bits + 63) / 64);
    const cuda::HammingProblem problem{
        device_queries.data(), device_database.data(), q, n, words, mask_of(bits), allowed};
    next_order([&] {
        const std::int64_t parts = 2;
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
    for (const int major : {8, 9}) {
        const Case device("sm_", major, "0");
        simt::device() = {major, 227 * 1024};
        next_order([&] {
            const DeviceArray<unsigned char> workspace(static_cast<std::int64_t>(cuda::hamming_many_bytes(q, n, k)));
            const DeviceArray<std::int32_t> distances(q * k);
            const DeviceArray<std::int64_t> ids(q * k);
            CHECK(cuda::hamming_many(problem, k, workspace.data(), distances.data(), ids.data(), nullptr) ==
                  cudaSuccess);
            CHECK_DEVICE(distances, expected.distances);
            CHECK_DEVICE(ids, expected.ids);
        });
        simt::device() = {};
    }
}

}  // namespace

TEST(shares) {
    Random random(91);
    for (const std::int64_t q : sizes({1, 9}, {2})) {
        for (const std::int64_t bits : sizes({12, 64, 128, 150}, {64, 150})) {
            const std::int64_t n = reduced() ? 1100 : 2600;
            const int words = static_cast<int>((bits + 63) / 64);
            const Words queries = codes(random, q, words), database = codes(random, n, words);
            for (const std::uint64_t one_in : {1, 2, 100, 1 << 30}) {
                const Case here("one in ", one_in);
                check_search(queries, q, database, n, bits, 20, ChosenItems::any(random, n, one_in));
            }
        }
    }
}

// All that is near is forbidden, in the first phase and after it: no limit may come from it. Of the few that are
// allowed, most come after the first phase.
TEST(nearest_are_not_allowed) {
    const std::int64_t n = reduced() ? kFirstPhase + 1200 : 3 * kFirstPhase, k = 30;
    Words queries(3, 0), database;
    for (std::int64_t i = 0; i < n; ++i) database.push_back(i % 70 == 3 ? ~std::uint64_t{0} >> i % 3 : 0);
    check_search(queries, 3, database, n, 64, k, ChosenItems(n, [](std::int64_t i) { return i % 70 == 3; }));
    check_search(queries, 1, database, n, 64, k, ChosenItems(n, [&](std::int64_t i) { return i > n - 40; }));
}

TEST(all_keys) {
    Random random(92);
    const std::int64_t q = 3, n = 700, bits = 100;
    const Words queries = codes(random, q, 2), database = codes(random, n, 2);
    const auto rule = [](std::int64_t i) { return i % 3 == 1; };
    const ChosenItems chosen(n, rule);
    const Answer sorted = on_cpu(queries, q, database, n, bits, n);
    std::vector<Key> expected(static_cast<std::size_t>(q * n), cuda::kLastKey);
    for (std::int64_t i = 0; i < q * n; ++i) {
        const std::int64_t id = sorted.ids[static_cast<std::size_t>(i)];
        if (!rule(id)) continue;
        const auto distance = static_cast<Key>(sorted.distances[static_cast<std::size_t>(i)]);
        expected[static_cast<std::size_t>(i / n * n + id)] = distance << 32 | static_cast<Key>(id);
    }
    const DeviceArray<std::uint64_t> device_queries(queries), device_database(database);
    const DeviceArray<Key> keys(q * n);
    CHECK(cuda::hamming_keys({device_queries.data(), device_database.data(), q, n, 2, mask_of(bits), chosen.allowed()},
                             keys.data(), nullptr) == cudaSuccess);
    CHECK_DEVICE(keys, expected);
}
