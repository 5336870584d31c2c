// A search problem as the CPU's kernels and the device's take it.
#pragma once

#include "../reference.h"
#include "device_tests.h"
#include "kernels/cuda/euclidean_topk.h"
#include "kernels/euclidean_topk.h"

namespace rsir::test {

template <class T>
struct Problem {
    std::int64_t q, n, d;
    std::vector<T> queries, database;

    static Problem make(Random& random, std::int64_t q, std::int64_t n, std::int64_t d, Kind kind) {
        return {q, n, d, stored<T>(matrix<double>(random, q, d, kind)), stored<T>(matrix<double>(random, n, d, kind))};
    }
};

struct Answer {
    std::vector<float> distances;
    std::vector<std::int64_t> ids;
};

template <class T>
Answer on_cpu(const Problem<T>& problem, std::int64_t k, const Allowed* allowed = nullptr) {
    Answer answer{std::vector<float>(static_cast<std::size_t>(problem.q * k)),
                  std::vector<std::int64_t>(static_cast<std::size_t>(problem.q * k))};
    const auto queries = widened(problem.queries), database = widened(problem.database);
    SearchCounts counts;
    CHECK(euclidean_topk(rows_of(queries.data(), problem.d), problem.q, rows_of(database.data(), problem.d),
                         allowed != nullptr ? *allowed : Allowed{nullptr, 0, problem.n}, nullptr, k,
                         answer.distances.data(), answer.ids.data(), counts, Context{}) == Status::ok);
    return answer;
}

template <class T>
struct DeviceProblem {
    DeviceArray<T> queries, database;
    cuda::EuclideanProblem problem;

    explicit DeviceProblem(const Problem<T>& from)
        : queries(from.queries),
          database(from.database),
          problem{queries.data(), database.data(), Stored<T>::type, from.q, from.n, from.d} {}
};

}  // namespace rsir::test
