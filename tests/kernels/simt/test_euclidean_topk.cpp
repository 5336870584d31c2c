#include "device_tests.h"
#include "euclidean_cases.h"
#include "kernels/cuda/again.cuh"

using namespace rsir;
using namespace rsir::test;
using cuda::Key;

namespace {

template <class T>
void check_search(const Problem<T>& problem, std::int64_t k, std::int64_t parts) {
    const Case here("q=", problem.q, " n=", problem.n, " d=", problem.d, " k=", k, " parts=", parts,
                    " bytes=", sizeof(T));
    const Answer expected = on_cpu(problem, k);
    const DeviceProblem<T> device(problem);
    next_order([&] {
        const DeviceArray<Key> keys(problem.q * k * parts);
        const DeviceArray<std::uint32_t> distances(problem.q * k);
        const DeviceArray<std::int64_t> ids(problem.q * k);
        CHECK(cuda::euclidean_scan(device.problem, k, parts, keys.data(), nullptr) == cudaSuccess);
        CHECK(cuda::select_smallest({keys.data(), problem.q, k * parts, k * parts, nullptr, nullptr, k, 0x7f800000u,
                                     distances.data(), ids.data()},
                                    nullptr) == cudaSuccess);
        CHECK_DEVICE(distances, expected.distances);
        CHECK_DEVICE(ids, expected.ids);
    });
}

}  // namespace

TEST(sizes_queries_parts) {
    Random random(51);
    std::size_t round = 0;
    const std::vector<std::int64_t> queries = {1, 8, 2, 9}, depths = {1, 10, 256, 257}, parts = {1, 2, 3};
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t d : sizes({0, 1, 31, 32, 33, 64, 100}, {1, 33})) {
            for (const std::int64_t n : sizes({1, 31, 32, 33, 64, 65, 200}, {1, 65})) {
                const Kind kind = kKinds[round % 3];
                const auto problem = Problem<T>::make(random, queries[round % 4], n, d, kind);
                check_search(problem, depths[round / 2 % 4], parts[round / 3 % 3]);
                ++round;
            }
        }
    });
}

// More than a part's candidates hold, in the worst order.
TEST(nearest_last) {
    for (const std::int64_t q : {1, 2}) {
        Problem<float> problem{q, 1200, 3, std::vector<float>(static_cast<std::size_t>(3 * q), 0.0f), {}};
        for (std::int64_t i = 0; i < 3 * problem.n; ++i) {
            problem.database.push_back(static_cast<float>(problem.n - i / 3));
        }
        check_search(problem, 5, 1);
    }
}

// Distances that only the canonical order of the sum decides.
TEST(knife_edge) {
    Random random(52);
    auto query = numbers<float>(random, 37, Kind::uniform);
    query[34] = query[35] = query[36] = 0;
    for (const std::int64_t q : {1, 2}) {
        Problem<float> problem{q, 60, 37, {}, knife_edge_rows(random, query, 60)};
        for (std::int64_t i = 0; i < q; ++i) problem.queries.insert(problem.queries.end(), query.begin(), query.end());
        check_search(problem, 60, 2);
    }
}

// Some of the queries: they share the device, however few they are, and the others keep their answers.
TEST(again) {
    Random random(53);
    const std::int64_t q = 5, n = 4200, k = 6, lists = cuda::most_lists(q);
    const auto problem = Problem<float>::make(random, q, n, 20, Kind::ties);
    const Answer expected = on_cpu(problem, k);
    const DeviceProblem<float> device(problem);
    simt::device().multiprocessors = 4;
    for (const std::vector<int>& queries : std::vector<std::vector<int>>{{2, 3, 0, 7, 7, 7}, {1, 4, 7, 7, 7, 7}, {0}}) {
        const Case here("queries ", queries[0]);
        const DeviceArray<int> again(queries);
        next_order([&] {
            const DeviceArray<Key> keys(lists * k);
            const DeviceArray<float> distances(q * k);
            const DeviceArray<std::int64_t> ids(q * k);
            Answer answer{std::vector<float>(30), std::vector<std::int64_t>(30)};
            std::memset(answer.distances.data(), 0xa5, 30 * sizeof(float));
            std::memset(answer.ids.data(), 0xa5, 30 * sizeof(std::int64_t));
            for (int i = 0; i < queries[0] * k; ++i) {
                const std::size_t at = static_cast<std::size_t>(queries[1 + i / k] * k + i % k);
                answer.distances[at] = expected.distances[at];
                answer.ids[at] = expected.ids[at];
            }
            CHECK(cuda::euclidean_scan_again(device.problem, k, again.data(), keys.data(), distances.data(), ids.data(),
                                             nullptr) == cudaSuccess);
            CHECK_DEVICE(distances, answer.distances);
            CHECK_DEVICE(ids, answer.ids);
            std::int64_t filled = 0;
            for (std::int64_t i = 0; i < lists * k; ++i) filled += keys[i] != 0xa5a5a5a5a5a5a5a5u ? 1 : 0;
            CHECK(filled == (queries[0] == 0 ? 0 : 16 * k));  // four blocks for each multiprocessor
        });
    }
    simt::device() = {};
}

TEST(all_keys) {
    Random random(54);
    each_type([&](auto type) {
        using T = decltype(type);
        const auto problem = Problem<T>::make(random, 9, 70, 40, Kind::hostile);
        const Answer sorted = on_cpu(problem, problem.n);
        std::vector<Key> expected(sorted.ids.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const auto id = static_cast<std::size_t>(sorted.ids[i]);
            expected[i / 70 * 70 + id] = static_cast<Key>(__float_as_uint(sorted.distances[i])) << 32 | id;
        }
        const DeviceProblem<T> device(problem);
        each_order([&] {
            const DeviceArray<Key> keys(problem.q * problem.n);
            CHECK(cuda::euclidean_keys(device.problem, keys.data(), nullptr) == cudaSuccess);
            CHECK_DEVICE(keys, expected);
        });
    });
}
