// A search by copies, against the CPU's answer.
#pragma once

#include <cstdlib>

#include "euclidean_cases.h"
#include "kernels/cuda/certify.h"
#include "kernels/cuda/walk.h"

namespace rsir::test {

// On a device of sm_90a, whose product copies by `by`.
inline void on_sm90(const char* by, const std::function<void()>& body) {
    const Case here("sm_90 by ", by);
    simt::device() = simt::Device{9, 227 * 1024};
    setenv("RSIR_SM90_PRODUCT", by, 1);
    body();
    unsetenv("RSIR_SM90_PRODUCT");
    simt::device() = {};
}

// The kernels that make the product: four stages, three and two (less shared memory), and those of sm_90a. `few`: the
// first and those, where much is computed.
inline void each_device(const std::function<void()>& body, bool few = false) {
    for (const int kilobytes : {227, 163, 99}) {
        if (few && kilobytes < 227) continue;
        const Case here("shared memory ", kilobytes);
        simt::device() = simt::Device{8, kilobytes * 1024};
        body();
    }
    simt::device() = {};
    for (const char* by : {"cp_async", "tma"}) on_sm90(by, body);
}

enum class Use { half, int8, both };

// What a search counted of each query.
struct Tally {
    std::vector<int> decided, failed;
};

// allowed: with the counts of a search that may answer with these items only.
template <class T>
Tally check_once(const Problem<T>& problem, const Answer& expected, std::int64_t k, Use use = Use::half,
                 const Allowed* allowed = nullptr) {
    const std::int64_t q = problem.q, n = problem.n, d = problem.d;
    DeviceProblem<T> device(problem);
    if (allowed != nullptr) device.problem.allowed = *allowed;
    const DeviceArray<unsigned char> halves(static_cast<std::int64_t>(cuda::sidecar_bytes(cuda::Codes::half, n, d)));
    const DeviceArray<unsigned char> bytes(static_cast<std::int64_t>(cuda::sidecar_bytes(cuda::Codes::int8, n, d)));
    cuda::Copies copies;
    if (use != Use::int8) copies.half = cuda::Sidecar::at(halves.data(), cuda::Codes::half, n, d);
    if (use != Use::half) copies.int8 = cuda::Sidecar::at(bytes.data(), cuda::Codes::int8, n, d);
    const DeviceArray<unsigned char> workspace(static_cast<std::int64_t>(cuda::certify_bytes(copies, q, n, d, k)));
    const DeviceArray<float> distances(q * k);
    const DeviceArray<std::int64_t> ids(q * k);
    CHECK(cuda::make_copies(device.problem.database, Stored<T>::type, n, d, copies, nullptr, nullptr) == cudaSuccess);
    CHECK(cuda::certified_topk(device.problem, copies, k, workspace.data(), distances.data(), ids.data(), nullptr) ==
          cudaSuccess);
    CHECK_DEVICE(distances, expected.distances);
    CHECK_DEVICE(ids, expected.ids);
    const int* counted = reinterpret_cast<const int*>(workspace.data());
    return {{counted, counted + q}, {counted + q, counted + 2 * q}};
}

template <class T>
void check_search(const Problem<T>& problem, std::int64_t k, Use use = Use::half) {
    const Case here("q=", problem.q, " n=", problem.n, " d=", problem.d, " k=", k, " bytes=", sizeof(T));
    const Answer expected = on_cpu(problem, k);
    next_order([&] { check_once(problem, expected, k, use); });
}

// Not negative, half of them 0, as features are.
inline Problem<float> features(Random& random, std::int64_t q, std::int64_t n, std::int64_t d) {
    auto problem = Problem<float>::make(random, q, n, d, Kind::uniform);
    for (std::vector<float>* rows : {&problem.queries, &problem.database}) {
        for (float& x : *rows) {  // nearly normal: the sum of a few
            x = 0.0f;
            for (int i = 0; i < 4; ++i) x += static_cast<float>(random.below(1 << 20)) * 0x1p-20f - 0.5f;
            x = std::max(x, 0.0f);
        }
    }
    return problem;
}

// A row that a walk over n visits among the last, beyond the first phase if there is another.
inline std::int64_t visited_late(std::int64_t n) {
    const std::int64_t tiles = (n + cuda::kItemTile - 1) / cuda::kItemTile, stride = cuda::stride_of(tiles);
    for (std::int64_t step = tiles - 1;; --step) {
        const std::int64_t row = step * stride % tiles * cuda::kItemTile + 7;
        if (row < n) return row;
    }
}

}  // namespace rsir::test
