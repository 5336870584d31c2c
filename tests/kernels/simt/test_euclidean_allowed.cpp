// Euclidean search among allowed items: the answer of the CPU, whose own tests hold it against theirs alone.
#include "euclidean_cases.h"
#include "kernels/cuda/certify.h"

using namespace rsir;
using namespace rsir::test;
using cuda::Codes;
using cuda::Key;

namespace {

template <class T>
void check_scan(const DeviceProblem<T>& device, const Answer& expected, std::int64_t k) {
    const std::int64_t q = device.problem.q, parts = 2;
    const DeviceArray<Key> keys(q * k * parts);
    const DeviceArray<std::uint32_t> distances(q * k);
    const DeviceArray<std::int64_t> ids(q * k);
    CHECK(cuda::euclidean_scan(device.problem, k, parts, keys.data(), nullptr) == cudaSuccess);
    CHECK(cuda::select_smallest(
              {keys.data(), q, k * parts, k * parts, nullptr, nullptr, k, 0x7f800000u, distances.data(), ids.data()},
              nullptr) == cudaSuccess);
    CHECK_DEVICE(distances, expected.distances);
    CHECK_DEVICE(ids, expected.ids);
}

// By the copies of one kind. Returns how many queries it failed in.
template <class T>
int check_certified(const DeviceProblem<T>& device, const Answer& expected, std::int64_t k, Codes codes) {
    const std::int64_t q = device.problem.q, n = device.problem.n, d = device.problem.d;
    const DeviceArray<unsigned char> memory(static_cast<std::int64_t>(cuda::sidecar_bytes(codes, n, d)));
    cuda::Copies copies;
    (codes == Codes::half ? copies.half : copies.int8) = cuda::Sidecar::at(memory.data(), codes, n, d);
    const DeviceArray<unsigned char> workspace(static_cast<std::int64_t>(cuda::certify_bytes(copies, q, n, d, k)));
    const DeviceArray<float> distances(q * k);
    const DeviceArray<std::int64_t> ids(q * k);
    CHECK(cuda::make_copies(device.problem.database, Stored<T>::type, n, d, copies, nullptr, nullptr) == cudaSuccess);
    CHECK(cuda::certified_topk(device.problem, copies, k, workspace.data(), distances.data(), ids.data(), nullptr) ==
          cudaSuccess);
    CHECK_DEVICE(distances, expected.distances);
    CHECK_DEVICE(ids, expected.ids);
    const int* failed = reinterpret_cast<const int*>(workspace.data()) + q;
    int count = 0;
    for (std::int64_t i = 0; i < q; ++i) count += failed[i] != 0 ? 1 : 0;
    return count;
}

// Whose matrix instructions are tried: both kinds, or the one and the other in turn.
std::vector<int> compute_capabilities() {
    static int turn = 0;
    return reduced() ? std::vector<int>{8 + turn++ % 2} : std::vector<int>{8, 9};
}

// Returns how many queries certified passes failed in.
template <class T>
int check_search(const Problem<T>& problem, std::int64_t k, const ChosenItems& chosen) {
    const Case here("q=", problem.q, " n=", problem.n, " d=", problem.d, " k=", k, " bytes=", sizeof(T));
    const Allowed allowed = chosen.allowed();
    const Answer expected = on_cpu(problem, k, &allowed);
    DeviceProblem<T> device(problem);
    device.problem.allowed = allowed;
    int failed = 0;
    next_order([&] { check_scan(device, expected, k); });
    for (const int major : compute_capabilities()) {
        const Case on("compute capability ", major);
        simt::device() = {major, 227 * 1024};
        next_order([&] { failed += check_certified(device, expected, k, Codes::half); });
        simt::device() = {};
    }
    if (problem.q <= cuda::kMostStreamed) {
        next_order([&] { failed += check_certified(device, expected, k, Codes::int8); });
    }
    return failed;
}

}  // namespace

TEST(shares) {
    Random random(93);
    std::size_t round = 0;
    each_type([&](auto type) {
        const std::int64_t q = round % 2 == 0 ? 3 : 9, n = reduced() ? 300 : 700;
        const auto problem = Problem<decltype(type)>::make(random, q, n, 33, kKinds[round % 3]);
        std::vector<std::int64_t> shares = {1, 2, 50, 1 << 30};  // one in so many
        if (reduced()) shares = {shares[round / 2 % 2], shares[2 + round / 2 % 2]};
        ++round;
        for (const std::int64_t one_in : shares) {
            const Case here("one in ", one_in);
            check_search(problem, 10, ChosenItems::any(random, n, static_cast<std::uint64_t>(one_in)));
        }
    });
}

// All that is near is forbidden, in the first phase and after it: no cut may come from it. Where whole tiles are
// forbidden they are passed over.
TEST(nearest_are_not_allowed) {
    Random random(94);
    const std::int64_t n = reduced() ? 9000 : 14000, d = 4, k = 20;
    Problem<float> problem{2, n, d, std::vector<float>(static_cast<std::size_t>(2 * d), 0.0f), {}};
    for (std::int64_t i = 0; i < n * d; ++i) {
        const double value = random.uniform() + (i / d % 70 == 3 ? 3.0 : 0.0);
        problem.database.push_back(static_cast<float>(value));
    }
    CHECK(check_search(problem, k, ChosenItems(n, [](std::int64_t i) { return i % 70 == 3; })) == 0);
    CHECK(check_search(problem, k, ChosenItems(n, [&](std::int64_t i) { return i % 70 == 3 && i > n - 4000; })) == 0);
    check_search(problem, k, ChosenItems(n, [&](std::int64_t i) { return i == 7; }));
}

// A query with a NaN is as far from every allowed item, and only from these.
TEST(nan_and_infinity) {
    Random random(95);
    auto problem = Problem<float>::make(random, 4, 300, 8, Kind::hostile);
    problem.queries[3] = std::numeric_limits<float>::quiet_NaN();
    problem.queries[8 + 2] = std::numeric_limits<float>::infinity();
    check_search(problem, 9, ChosenItems::any(random, 300, 3));
    check_search(problem, 9, ChosenItems(300, [](std::int64_t i) { return i == 200; }));
}

TEST(all_keys) {
    Random random(96);
    const auto problem = Problem<float>::make(random, 3, 200, 40, Kind::ties);
    const auto rule = [](std::int64_t i) { return i % 9 == 1 || i > 150; };
    const ChosenItems chosen(200, rule);
    const Answer sorted = on_cpu(problem, 200);
    std::vector<Key> expected(3 * 200, cuda::kLastKey);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (!rule(sorted.ids[i])) continue;
        std::uint32_t bits;
        std::memcpy(&bits, &sorted.distances[i], sizeof bits);
        expected[i / 200 * 200 + static_cast<std::size_t>(sorted.ids[i])] =
            static_cast<Key>(bits) << 32 | static_cast<Key>(sorted.ids[i]);
    }
    DeviceProblem<float> device(problem);
    device.problem.allowed = chosen.allowed();
    const DeviceArray<Key> keys(3 * 200);
    CHECK(cuda::euclidean_keys(device.problem, keys.data(), nullptr) == cudaSuccess);
    CHECK_DEVICE(keys, expected);
}
