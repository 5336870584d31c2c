#include "device_tests.h"
#include "euclidean_cases.h"
#include "kernels/cuda/relevant_ranks.h"

using namespace rsir;
using namespace rsir::test;
using cuda::Key;

namespace {

// What is asked of a problem whose items are of some classes, item i of class i % classes, and what must be answered.
struct Asked {
    std::vector<std::int64_t> members, own;
    std::vector<cuda::MarkList> lists;
    std::vector<std::int64_t> ranks, self_ranks;
    std::int64_t total = 0, most = 0;
};

// Query j wants class j % classes; its own item is item j, and every third query wants another class than its own
// item's. The items' order is that of the reference.
template <class T>
Asked ask(const Problem<T>& problem, std::int64_t classes, const Allowed& allowed) {
    Asked asked;
    const auto queries = widened(problem.queries), database = widened(problem.database);
    std::vector<std::int64_t> begins, items;
    for (std::int64_t c = 0; c < classes; ++c) {
        begins.push_back(static_cast<std::int64_t>(asked.members.size()));
        for (std::int64_t id = c; id < problem.n; id += classes) {
            if (allowed.has(id)) asked.members.push_back(id);
        }
    }
    begins.push_back(static_cast<std::int64_t>(asked.members.size()));
    for (std::int64_t id = 0; id < problem.n; ++id) {
        if (allowed.has(id)) items.push_back(id);
    }
    for (std::int64_t j = 0; j < problem.q; ++j) {
        const std::int64_t self = j < problem.n && allowed.has(j) ? j : -1, wanted = (j + (j % 3 == 0)) % classes;
        asked.own.push_back(self);
        asked.self_ranks.push_back(self < 0 ? -7 : 0);
        std::vector<float> distances, sorted;
        for (const std::int64_t id : items) {
            distances.push_back(
                squared_distance(queries.data() + j * problem.d, database.data() + id * problem.d, problem.d));
        }
        std::vector<std::int64_t> places;
        append_smallest(distances, static_cast<std::int64_t>(items.size()), 0.0f, sorted, places);
        const auto first = begins[static_cast<std::size_t>(wanted)];
        const auto members = begins[static_cast<std::size_t>(wanted) + 1] - first;
        std::int64_t marks = 0;
        for (std::size_t rank = 1; rank <= items.size(); ++rank) {
            const std::int64_t id = items[static_cast<std::size_t>(places[rank - 1])];
            if (id == self) asked.self_ranks.back() = static_cast<std::int64_t>(rank);
            if (id % classes != wanted && id != self) continue;
            asked.ranks.push_back(static_cast<std::int64_t>(rank));
            ++marks;
        }
        if (marks > 0) asked.lists.push_back({j, first, members, marks, asked.total});
        asked.total += marks;
        asked.most = std::max(asked.most, marks);
    }
    return asked;
}

template <class T>
void check_ranks(const Problem<T>& problem, std::int64_t classes, const ChosenItems* chosen = nullptr) {
    const Case here("q=", problem.q, " n=", problem.n, " d=", problem.d, " classes=", classes, " bytes=", sizeof(T));
    const Allowed allowed = chosen == nullptr ? Allowed{nullptr, 0, problem.n} : chosen->allowed();
    const Asked asked = ask(problem, classes, allowed);
    DeviceProblem<T> device(problem);
    device.problem.allowed = allowed;
    const DeviceArray<std::int64_t> members(asked.members), own(asked.own);
    const DeviceArray<cuda::MarkList> lists(asked.lists);
    next_order([&] {
        const DeviceArray<Key> keys(asked.total);
        const DeviceArray<std::uint32_t> counts(asked.total);
        const DeviceArray<std::int64_t> ranks(asked.total), self_ranks(std::vector<std::int64_t>(asked.own.size(), -7));
        const cuda::Marks marks{lists.data(),   static_cast<std::int64_t>(asked.lists.size()),
                                asked.total,    asked.most,
                                members.data(), own.data(),
                                keys.data()};
        CHECK(cuda::mark_keys(device.problem, marks, nullptr) == cudaSuccess);
        for (const cuda::MarkList& list : asked.lists) {  // those that no block sorts
            Key* const from = keys.data() + list.to;
            if (list.marks > cuda::kMostSortedMarks) std::sort(from, from + list.marks);
        }
        CHECK(cuda::count_ranks(device.problem, marks, counts.data(), ranks.data(), self_ranks.data(), nullptr) ==
              cudaSuccess);
        CHECK_DEVICE(ranks, asked.ranks);
        CHECK_DEVICE(self_ranks, asked.self_ranks);
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
