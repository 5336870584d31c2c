#include "certified_cases.h"

using namespace rsir;
using namespace rsir::test;
using cuda::Codes;

namespace {

// On a device whose warpgroups multiply bytes.
void by_warpgroups(const std::function<void()>& body) {
    const Case here("warpgroups");
    simt::device() = simt::Device{9, 227 * 1024};
    body();
    simt::device() = {};
}

// By a stream; then each query several times, by warpgroups.
void check_words(const Problem<float>& problem, std::int64_t k) {
    check_search(problem, k, Use::int8);
    Problem<float> many = problem;
    for (many.q = 0; many.q < 9; many.q += problem.q) {
        many.queries.insert(many.queries.end(), problem.queries.begin(), problem.queries.end());
    }
    many.queries.resize(static_cast<std::size_t>(many.q * many.d));
    by_warpgroups([&] { check_search(many, k, Use::int8); });
}

}  // namespace

// int8 copies, read as a stream: around the items of a warp and of a tile, the codes of a lane and of a warp.
TEST(few_queries) {
    Random random(67);
    std::size_t round = 0;
    for (const std::int64_t q : sizes({1, 2, 3, 4, 5, 8}, {1, 3, 5})) {
        for (const std::int64_t n : sizes({1, 255, 257, 600}, {300})) {
            for (const std::int64_t d : sizes({1, 16, 65, 512, 513, 1100}, {65, 1100})) {
                check_search(Problem<float>::make(random, q, n, d, kKinds[round++ % 3]), 1 + q * 5, Use::int8);
            }
        }
    }
    each_type([&](auto type) {
        for (const Kind kind : kKinds) {
            if (reduced() && kind != Kind::hostile) continue;
            check_search(Problem<decltype(type)>::make(random, 2, 300, 70, kind), 20, Use::int8);
        }
    });
}

// Around the queries of a warp and of a block, the items of a warpgroup and of a tile, the codes of half a round, of a
// round and of all stages.
TEST(several_queries) {
    Random random(90);
    std::size_t round = 0;
    by_warpgroups([&] {
        for (const std::int64_t q : sizes({9, 32, 33, 64}, {9, 64})) {
            for (const std::int64_t n : sizes({1, 128, 257, 600}, {300})) {
                for (const std::int64_t d : sizes({1, 64, 65, 128, 190, 513, 1100}, {65, 513})) {
                    check_search(Problem<float>::make(random, q, n, d, kKinds[round % 3]), 1 + q % 31, Use::int8);
                    ++round;
                }
            }
        }
        each_type([&](auto type) {
            check_search(Problem<decltype(type)>::make(random, 9, 300, 70, Kind::hostile), 20, Use::int8);
        });
    });
}

// More tiles than the first phase keeps; a tile of a later one that holds nothing but near rows, more than a block has
// room for at once; rows of very different sizes.
TEST(several_queries_several_phases) {
    Random random(91);
    const std::int64_t n = reduced() ? 8600 : 12000, d = 20;
    auto problem = Problem<float>::make(random, 9, n, d, Kind::uniform);
    const std::int64_t first = visited_late(n) / cuda::kItemTile * cuda::kItemTile;
    by_warpgroups([&] {
        for (const std::int64_t k : sizes({1, 100}, {100})) {
            check_search(problem, k, Use::int8);
            check_search(problem, k, Use::both);
        }
        std::fill(problem.queries.begin(), problem.queries.begin() + 2 * d, 3.0f);
        for (std::int64_t i = first * d; i < std::min(n, first + cuda::kItemTile) * d; ++i) {
            float& value = problem.database[static_cast<std::size_t>(i)];
            value = 3 + value / 64;
        }
        check_search(problem, 200, Use::int8);
        for (std::int64_t i = 0; i < n * d; ++i) {
            float& value = problem.database[static_cast<std::size_t>(i)];
            value = std::ldexp(value, static_cast<int>(i / d % 41) - 20);
        }
        check_search(problem, 5, Use::int8);
    });
}

TEST(few_queries_several_phases) {
    Random random(68);
    const auto problem = Problem<float>::make(random, 3, reduced() ? 8600 : 30000, 20, Kind::uniform);
    for (const std::int64_t k : {1, 100}) {
        check_search(problem, k, Use::int8);
        check_search(problem, k, Use::both);
    }
}

// As copies_that_hide_the_order: one element sets the scale to 1 / 127, the others are 50.49 of them, or 50.51 and 50.
TEST(integers_that_hide_the_order) {
    constexpr float u = 1.0f / 127;
    Problem<float> problem{2, 300, 64, std::vector<float>(2 * 64, -1.0f), std::vector<float>(300 * 64, 50.49f * u)};
    for (std::size_t i = 0; i < 64; ++i) problem.database[123 * 64 + i] = i < 32 ? 50.51f * u : 50 * u;
    for (std::size_t row = 0; row < 300; ++row) problem.database[row * 64] = 1;
    CHECK(on_cpu(problem, 1).ids[0] == 123);
    check_words(problem, 1);
}

// As above, of a query, which is copied in steps of 1: but for two elements, half of it is 0.49 and copied as 0, half
// is 0.51 and copied as 1. In those halves the hidden row has the signs that this makes it look farther by; by its last
// element it is nearer than the others. What must not exclude it is the cut of the first phase, then the test of the
// next.
TEST(words_that_hide_the_order) {
    constexpr std::int64_t d = 257;
    for (const std::int64_t n : {300, 8800}) {
        const std::int64_t hidden = visited_late(n);
        Problem<float> problem{1, n, d, {}, {}};
        for (std::int64_t i = 0; i < d; ++i) problem.queries.push_back(i < 128 ? 0.49f : 0.51f);
        problem.queries[0] = 32639;
        problem.queries[d - 1] = 3000;
        for (std::int64_t i = 0; i < n * d; ++i) {
            const bool other = i / d != hidden;
            problem.database.push_back(i % d == 0 || (i % d < 128) != other ? 127.0f : -127.0f);
            if (i % d == d - 1) problem.database.back() = other ? 0.0f : 1.0f;
        }
        CHECK(on_cpu(problem, 1).ids[0] == hidden);
        check_words(problem, 1);
    }
}

// A query whose high words are 0, but for one that all rows have the same product with: its low words alone tell them
// apart, and every row is a little nearer than what the high words say.
TEST(low_words_alone_tell_rows_apart) {
    Random random(88);
    constexpr std::int64_t n = 300, d = 256;
    Problem<float> problem{1, n, d, {}, {}};
    for (std::int64_t i = 0; i < d; ++i) {
        problem.queries.push_back(i == 0 ? 32639.0f : static_cast<float>(100 + random.below(28)));
    }
    for (std::int64_t i = 0; i < n * d; ++i) {
        problem.database.push_back(i % d == 0 || random.below(3) != 0 ? 127.0f : -127.0f);
    }
    for (const std::int64_t k : {1, 10}) check_words(problem, k);
}

// Sums of both words that 32 bits cannot hold together; and the most that one of them has to.
TEST(long_sums_of_words) {
    Random random(89);
    for (const auto& [n, d] : std::vector<std::pair<std::int64_t, std::int64_t>>{{300, 1100}, {3, 1 << 16}}) {
        auto problem = Problem<float>::make(random, 2, n, d, Kind::uniform);
        for (float& x : problem.queries) x = 1 + std::fabs(x) * 0x1p-12f;
        for (float& x : problem.database) x = 1 + std::fabs(x) * 0x1p-3f;
        std::fill(problem.database.begin(), problem.database.begin() + d, 1.0f);
        check_words(problem, std::min<std::int64_t>(n, 5));
    }
}

TEST(more_than_integers_hold_is_refused) {
    Random random(69);
    const auto refused = [&](std::int64_t q, std::int64_t d) {
        const auto problem = Problem<float>::make(random, q, 3, d, Kind::uniform);
        const DeviceProblem<float> device(problem);
        const DeviceArray<unsigned char> memory(static_cast<std::int64_t>(cuda::sidecar_bytes(Codes::int8, 3, d)));
        cuda::Copies copies;
        copies.int8 = cuda::Sidecar::at(memory.data(), Codes::int8, 3, d);
        const DeviceArray<unsigned char> workspace(static_cast<std::int64_t>(cuda::certify_bytes(copies, q, 3, d, 1)));
        const DeviceArray<float> distances(q);
        const DeviceArray<std::int64_t> ids(q);
        return cuda::certified_topk(device.problem, copies, 1, workspace.data(), distances.data(), ids.data(),
                                    nullptr) != cudaSuccess;
    };
    CHECK(refused(9, 8));
    CHECK(refused(1, 65537));
    by_warpgroups([&] { CHECK(!refused(64, 8) && refused(65, 8) && refused(9, 65537)); });
}

// What is left to decide of rows like those of the benchmark.
TEST(few_are_left) {
    Random random(77);
    const std::int64_t n = reduced() ? 4000 : 12000;
    const Problem<float> problem = features(random, 1, n, 1024);
    const Answer expected = on_cpu(problem, 20);
    next_order([&] {
        const Tally tally = check_once(problem, expected, 20, Use::int8);
        CHECK(tally.failed[0] == 0 && tally.decided[0] < 60);
    });
}
