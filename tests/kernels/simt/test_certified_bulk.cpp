// The product by copies of the tensor memory accelerator, where it takes other ways than those of test_certified_topk.
#include "certified_cases.h"

using namespace rsir;
using namespace rsir::test;

// Tiles of 128 queries: one alone, pairs in clusters, three alone, five in clusters of which the last is padding. More
// tiles than clusters, of a number of rounds that ends in the midst of the stages; a sum of a stage that was read too
// early or too late is wrong.
TEST(tiles_and_clusters) {
    Random random(91);
    for (const std::int64_t q : sizes({100, 200, 300, 400, 600}, {300, 200, 400})) {
        const std::int64_t d = reduced() ? 380 : 650, k = 20;
        const auto problem = Problem<float>::make(random, q, 600, d, Kind::uniform);
        const Case here("q=", q);
        const Answer expected = on_cpu(problem, k);
        on_sm90("tma", [&] { next_order([&] { check_once(problem, expected, k); }); });
    }
}

// More and fewer tiles than the device has clusters, some of which take one more than others; a later phase.
TEST(several_clusters) {
    Random random(92);
    const auto problem = Problem<float>::make(random, 140, reduced() ? 4800 : 9000, 70, Kind::ties);
    const Answer expected = on_cpu(problem, 30);
    for (const std::int64_t multiprocessors : sizes({2, 5, 16}, {5})) {
        on_sm90("tma", [&] {
            simt::device().multiprocessors = static_cast<int>(multiprocessors);
            next_order([&] { check_once(problem, expected, 30); });
        });
    }
}

// Whole tiles of which no item is allowed are passed over by the warp that copies and by those that multiply.
TEST(tiles_passed_over) {
    Random random(93);
    const std::int64_t n = reduced() ? 6000 : 9000, k = 20;
    const auto problem = Problem<float>::make(random, 130, n, 20, Kind::uniform);
    for (const std::int64_t from : {n - 3000, n - 1}) {
        const ChosenItems chosen(
            n, [&](std::int64_t i) { return i >= from && ((i % 7 == 3 && i % 256 < 100) || i == n - 1); });
        const Allowed allowed = chosen.allowed();
        const Answer expected = on_cpu(problem, k, &allowed);
        on_sm90("tma", [&] { next_order([&] { check_once(problem, expected, k, Use::half, &allowed); }); });
    }
}

// More near rows in a tile than a warp has room for at once, of every query of a cluster.
TEST(rows_full_of_hits) {
    Random random(94);
    const std::int64_t n = 6000, d = 8, tiles = (n + cuda::kItemTile - 1) / cuda::kItemTile;
    auto problem = Problem<float>::make(random, 200, n, d, Kind::uniform);
    for (float& value : problem.queries) value = 3 + value / 64;
    const std::int64_t last = (tiles - 1) * cuda::stride_of(tiles) % tiles * cuda::kItemTile;
    for (std::int64_t i = last * d; i < std::min(n, last + cuda::kItemTile) * d; ++i) {
        float& value = problem.database[static_cast<std::size_t>(i)];
        value = 3 + value / 64;
    }
    const Answer expected = on_cpu(problem, 150);
    on_sm90("tma", [&] {
        next_order([&] {
            const Tally tally = check_once(problem, expected, 150);
            CHECK(tally.failed == std::vector<int>(200, 0));
        });
    });
}

TEST(only_known_products) {
    Random random(95);
    const auto problem = Problem<float>::make(random, 1, 300, 8, Kind::uniform);
    const DeviceProblem<float> device(problem);
    const DeviceArray<unsigned char> memory(static_cast<std::int64_t>(cuda::sidecar_bytes(cuda::Codes::half, 300, 8)));
    cuda::Copies copies;
    copies.half = cuda::Sidecar::at(memory.data(), cuda::Codes::half, 300, 8);
    const DeviceArray<unsigned char> workspace(static_cast<std::int64_t>(cuda::certify_bytes(copies, 1, 300, 8, 1)));
    const DeviceArray<float> distances(1);
    const DeviceArray<std::int64_t> ids(1);
    on_sm90("TMA", [&] {
        CHECK(cuda::certified_topk(device.problem, copies, 1, workspace.data(), distances.data(), ids.data(),
                                   nullptr) == cudaErrorInvalidValue);
    });
}
