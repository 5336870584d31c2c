#include "rank_cases.h"

using namespace rsir;
using namespace rsir::test;

namespace {

template <class T>
void check_ranks(const Problem<T>& problem, std::int64_t classes, const ChosenItems* chosen = nullptr,
                 bool by_items = false) {
    const Case here("q=", problem.q, " n=", problem.n, " d=", problem.d, " classes=", classes, " bytes=", sizeof(T));
    const Allowed allowed = chosen == nullptr ? Allowed{nullptr, 0, problem.n} : chosen->allowed();
    Asked asked = ask(problem, classes, allowed);
    if (by_items) {
        std::stable_sort(asked.lists.begin(), asked.lists.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    DeviceProblem<T> device(problem);
    device.problem.allowed = allowed;
    next_order([&] {
        const AskedThere there(asked);
        there.make_keys(device.problem);
        CHECK(cuda::count_ranks(device.problem, there.marks, there.counts.data(), there.ranks.data(),
                                there.self_ranks.data(), nullptr) == cudaSuccess);
        there.check(asked);
    });
}

}  // namespace

TEST(sizes_and_classes) {
    Random random(61);
    std::size_t round = 0;
    const std::vector<std::int64_t> queries = {1, 9, 8, 17}, classes = {1, 2, 7};
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t d : sizes({0, 1, 33, 64}, {33})) {
            for (const std::int64_t n : sizes({1, 31, 33, 70}, {1, 70})) {
                const auto problem = Problem<T>::make(random, queries[round % 4], n, d, kKinds[round % 3]);
                check_ranks(problem, classes[round / 2 % 3]);
                ++round;
            }
        }
    });
}

// Lists that have the same items are measured together, four at a time; own items are not among them.
TEST(lists_of_the_same_items) {
    Random random(66);
    simt::device().multiprocessors = 1;
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t classes : {1, 2, 3}) {
            check_ranks(Problem<T>::make(random, 22, 40 + 30 * classes, 33, kKinds[classes - 1]), classes, nullptr,
                        true);
        }
    });
    simt::device() = {};
}

TEST(some_allowed) {
    Random random(62);
    for (const std::uint64_t one_in : {1, 2, 40}) {
        for (const Kind kind : kKinds) {
            const auto problem = Problem<float>::make(random, 9, 90, 20, kind);
            const auto chosen = ChosenItems::any(random, problem.n, one_in);
            check_ranks(problem, 3, &chosen);
        }
    }
}

// Distances that only the canonical order of the sum decides.
TEST(knife_edge) {
    Random random(63);
    auto query = numbers<float>(random, 37, Kind::uniform);
    query[34] = query[35] = query[36] = 0;
    check_ranks(Problem<float>{1, 60, 37, query, knife_edge_rows(random, query, 60)}, 2);
}

// Parts of the database, each with a share of the counts.
TEST(parts) {
    Random random(64);
    simt::device().multiprocessors = 1;
    check_ranks(Problem<float>::make(random, 1, 1100, 2, Kind::ties), 20);
    simt::device() = {};
}

// More marks than shared memory holds, and than a block sorts.
TEST(many_marks) {
    Random random(65);
    for (const std::int64_t n : {1100, 2100}) {
        const auto problem = Problem<float>::make(random, 2, n, 2, Kind::ties);
        check_ranks(problem, 1);
        const auto chosen = ChosenItems::any(random, n, 1);
        check_ranks(problem, 1, &chosen);
    }
    simt::device().shared_bytes_per_block = 64 * 1024;
    check_ranks(Problem<float>::make(random, 2, 800, 2, Kind::hostile), 1);
    simt::device() = {};
}
