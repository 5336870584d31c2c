// What is asked of ranks on a device, and what must be answered.
#pragma once

#include "device_tests.h"
#include "euclidean_cases.h"
#include "kernels/cuda/relevant_ranks.h"

namespace rsir::test {

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

// The same on the device.
struct AskedThere {
    DeviceArray<std::int64_t> members, own;
    DeviceArray<cuda::MarkList> lists;
    DeviceArray<cuda::Key> keys;
    DeviceArray<std::uint32_t> counts;
    DeviceArray<std::int64_t> ranks, self_ranks;
    cuda::Marks marks;

    explicit AskedThere(const Asked& asked)
        : members(asked.members),
          own(asked.own),
          lists(asked.lists),
          keys(asked.total),
          counts(asked.total),
          ranks(asked.total),
          self_ranks(std::vector<std::int64_t>(asked.own.size(), -7)),
          marks{lists.data(),   static_cast<std::int64_t>(asked.lists.size()),
                asked.total,    asked.most,
                members.data(), own.data(),
                keys.data()} {}

    void make_keys(const cuda::EuclideanProblem& problem) const {
        CHECK(cuda::mark_keys(problem, marks, nullptr) == cudaSuccess);
        for (std::size_t i = 0; i < lists.size(); ++i) {  // those that no block sorts
            const cuda::MarkList& list = lists.data()[i];
            cuda::Key* const from = keys.data() + list.to;
            if (list.marks > cuda::kMostSortedMarks) std::sort(from, from + list.marks);
        }
    }
    void check(const Asked& asked) const {
        CHECK_DEVICE(ranks, asked.ranks);
        CHECK_DEVICE(self_ranks, asked.self_ranks);
    }
};

}  // namespace rsir::test
