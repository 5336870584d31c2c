#include "kernels/cuda/placed_ranks.h"
#include "rank_cases.h"

using namespace rsir;
using namespace rsir::test;
using cuda::PlaceSizes;

namespace {

// What comes of it; nothing is compared where there was no room for all that was left open.
template <class T>
cuda::PlaceState check_ranks(const Problem<T>& problem, std::int64_t classes, const PlaceSizes& sizes,
                             const ChosenItems* chosen = nullptr) {
    const Case here("q=", problem.q, " n=", problem.n, " d=", problem.d, " classes=", classes, " bytes=", sizeof(T));
    const Allowed allowed = chosen == nullptr ? Allowed{nullptr, 0, problem.n} : chosen->allowed();
    const Asked asked = ask(problem, classes, allowed);
    DeviceProblem<T> device(problem);
    device.problem.allowed = allowed;
    const auto n = problem.n, d = problem.d;
    cuda::PlaceState state{};
    next_order([&] {
        const AskedThere there(asked);
        const DeviceArray<char> items(static_cast<std::int64_t>(cuda::placed_items_bytes(n, d)));
        const DeviceArray<char> workspace(static_cast<std::int64_t>(cuda::place_bytes(problem.q, n, d, sizes)));
        there.make_keys(device.problem);
        CHECK(cuda::make_placed_items(device.problem, items.data(), nullptr) == cudaSuccess);
        CHECK(cuda::place_ranks(device.problem, there.marks, items.data(), sizes, workspace.data(), there.counts.data(),
                                there.ranks.data(), there.self_ranks.data(), nullptr) == cudaSuccess);
        if (asked.total == 0) return;
        std::memcpy(&state, workspace.data(), sizeof state);
        if (state.stopped == 0) there.check(asked);
    });
    return state;
}

template <class T>
void must_rank(const Problem<T>& problem, std::int64_t classes, const ChosenItems* chosen = nullptr) {
    CHECK(check_ranks(problem, classes, {128, 1 << 16}, chosen).stopped == 0);
}

// The instructions of sm_80 and of sm_90.
void each_product(const std::function<void()>& body) {
    for (const int major : {8, 9}) {
        simt::device().compute_capability_major = major;
        body();
    }
    simt::device() = {};
}

}  // namespace

TEST(sizes_and_classes) {
    Random random(91);
    std::size_t round = 0;
    const std::vector<std::int64_t> queries = {1, 9, 8, 17}, classes = {1, 2, 7};
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t d : sizes({1, 33, 128, 150}, {33})) {
            for (const std::int64_t n : sizes({1, 31, 65, 130}, {1, 70})) {
                simt::device().compute_capability_major = 8 + static_cast<int>(round % 2);
                const auto problem = Problem<T>::make(random, queries[round % 4], n, d, kKinds[round % 3]);
                must_rank(problem, classes[round / 2 % 3]);
                ++round;
            }
        }
    });
    simt::device() = {};
}

// Queries and items that fill several tiles and strips, and parts of a row.
TEST(tiles_and_strips) {
    Random random(92);
    each_product([&] {
        const Problem<float> problem{140, 290, 260, numbers<float>(random, 140 * 260, Kind::uniform),
                                     numbers<float>(random, 290 * 260, Kind::uniform)};
        const auto state = check_ranks(problem, 5, {128, 1 << 16});
        const Case here(state.open, " open");
        CHECK(state.stopped == 0 && state.open < 140 * 290 / 20);
        simt::device().multiprocessors = 1;
        must_rank(problem, 5);
        must_rank(Problem<float>::make(random, 3, 8300, 9, Kind::ties), 30);
    });
}

TEST(some_allowed) {
    Random random(93);
    each_product([&] {
        for (const std::uint64_t one_in : {1, 2, 40}) {
            for (const Kind kind : kKinds) {
                const auto problem = Problem<float>::make(random, 9, 140, 20, kind);
                const auto chosen = ChosenItems::any(random, problem.n, one_in);
                must_rank(problem, 3, &chosen);
            }
        }
    });
}

// Distances that only the canonical order of the sum decides are all left open.
TEST(knife_edge) {
    Random random(94);
    auto query = numbers<float>(random, 37, Kind::uniform);
    query[34] = query[35] = query[36] = 0;
    each_product([&] { must_rank(Problem<float>{1, 60, 37, query, knife_edge_rows(random, query, 60)}, 2); });
}

// Rows that differ in the last bits alone, and of several sizes.
TEST(distances_that_are_close) {
    Random random(95);
    for (const double apart : {0x1p-23, 0x1p-18, 0x1p-12}) {
        const std::int64_t q = 6, n = 90, d = 64;
        std::vector<double> rows;
        for (std::int64_t i = 0; i < n * d; ++i) {
            rows.push_back(i % d == 0 ? 1.0 + apart * random.uniform() : 0.25 * static_cast<double>(i % d % 5));
        }
        std::vector<double> queries(static_cast<std::size_t>(q * d));
        for (double& value : queries) value = 2 * random.uniform() - 1;
        each_product([&] { must_rank(Problem<float>{q, n, d, stored<float>(queries), stored<float>(rows)}, 3); });
    }
}

// As many marks as are placed, and their number a power of two or beside it.
TEST(many_marks) {
    Random random(96);
    for (const std::int64_t n : sizes({31, 32, 33, 1023, 1024}, {32, 1024})) {
        const auto problem = Problem<float>::make(random, 2, n, 2, Kind::ties);
        must_rank(problem, 1);
        must_rank(Problem<float>::make(random, 2, n, 12, Kind::uniform), 1);
    }
}

// Without room for what is open it says so, and later strips do nothing.
TEST(too_many_open) {
    Random random(97);
    each_product([&] {
        const auto ties = Problem<float>::make(random, 200, 40, 3, Kind::ties);
        const auto state = check_ranks(ties, 3, {128, 8});
        CHECK(state.stopped != 0 && state.open > 8);
        const auto known = check_ranks(ties, 3, {128, 1 << 16});
        CHECK(known.stopped == 0);
        const std::int64_t room = (known.open + 7) / 8 * 8;
        CHECK(check_ranks(ties, 3, {256, room}).stopped == 0);
        CHECK(check_ranks(ties, 3, {256, room - 8}).stopped != 0);
    });
}

TEST(sizes_of_strips) {
    const PlaceSizes many = PlaceSizes::of(31500, 31500), few = PlaceSizes::of(3, 100);
    CHECK(many.strip % cuda::kDigitTile == 0 && many.strip * 31500 <= 1 << 27 && many.open % cuda::kOpenGroup == 0);
    CHECK(few.strip == cuda::kDigitTile && few.open >= 1 << 16);
    CHECK(PlaceSizes::of(1000, cuda::kMostPlacedItems).strip == cuda::kDigitTile);
}

TEST(devices_with_the_instructions) {
    for (const int major : {7, 8, 9, 12}) {
        simt::device().compute_capability_major = major;
        bool runs = false;
        CHECK(cuda::place_runs(&runs) == cudaSuccess && runs == (major >= 8));
    }
    simt::device() = {};
}
