#include <algorithm>
#include <limits>

#include "kernels/cuda/again.cuh"
#include "kernels/cuda/hamming.cuh"
#include "kernels/cuda/hamming_many.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/select.cuh"
#include "kernels/cuda/slices.h"
#include "kernels/cuda/walk.h"

namespace rsir::cuda {
namespace {

constexpr int kTightenThreads = 512;
constexpr int kTightenItems = 4;
constexpr std::int64_t kMostKept = 1 << 13;  // keys a query, and items of the first phase, which are all kept

std::int64_t tiles_of(std::int64_t n) { return (n + kManyItems - 1) / kManyItems; }

struct Workspace {
    int* dropped;  // [q]: keys that were appended and did not stay; and behind them
    int* failed;   // [q]: 1 where there were more than `kept`
    Key* keys;     // [q, kept]
    Key* limits;
    int* counts;
    int* again;     // [1 + q]: the queries that failed
    Key* fallback;  // [most_lists(q), k]
    std::int64_t kept, bytes;

    Workspace(void* memory, std::int64_t q, std::int64_t n, std::int64_t k) {
        Slices slices(memory);
        dropped = slices.take<int>(2 * q);
        failed = dropped + q;
        kept = std::min(kMostKept, tiles_of(n) * kManyItems);
        keys = slices.take<Key>(q * kept);
        limits = slices.take<Key>(q);
        counts = slices.take<int>(q);
        again = slices.take<int>(1 + q);
        fallback = slices.take<Key>(most_lists(q) * k);
        bytes = slices.used();
    }
};

// One block a query: the k smallest of its keys stay.
__global__ void __launch_bounds__(kTightenThreads)
    tighten_kernel(Key* all_keys, std::int64_t kept, int* counts, int* dropped, int* failed, Key* limits, int k,
                   int capacity) {
    Key* const buffer = dynamic_shared<Key>();
    __shared__ int count;
    __shared__ Key limit;
    const std::int64_t query = blockIdx.x;
    Key* keys = all_keys + query * kept;
    const std::int64_t appended = static_cast<std::uint32_t>(counts[query]);
    const int m = static_cast<int>(min(appended + 0LL, kept + 0LL));
    const Candidates candidates{buffer, &count, &limit, capacity, k};
    collect<kTightenThreads, kTightenItems>(candidates, keys, m);
    for (int rank = static_cast<int>(threadIdx.x); rank < min(m, k); rank += kTightenThreads) {
        keys[rank] = buffer[rank];
    }
    if (threadIdx.x != 0) return;
    counts[query] = min(m, k);
    dropped[query] += m - min(m, k);
    if (appended > kept) failed[query] = 1;
    limits[query] = failed[query] != 0 ? 0 : limit;  // 0: no more keys
}

int counted_bits(const HammingProblem& problem) {
    int bits = 64 * (problem.words - 1);
    for (std::uint64_t mask = problem.mask; mask != 0; mask &= mask - 1) ++bits;
    return bits;
}

cudaError_t begin(const Workspace& work, std::int64_t q, cudaStream_t stream) {
    const auto rows = static_cast<std::size_t>(q);
    cudaError_t error = cudaMemsetAsync(work.limits, 0xff, rows * sizeof(Key), stream);  // kNoKey
    if (error == cudaSuccess) error = cudaMemsetAsync(work.counts, 0, rows * sizeof(int), stream);
    if (error == cudaSuccess) error = cudaMemsetAsync(work.dropped, 0, 2 * rows * sizeof(int), stream);
    return error;
}

using HammingPassFunction = cudaError_t(const HammingPass&, cudaStream_t);

// That of the current device; null where it has no binary products, or this build not the kernel.
cudaError_t choose_pass(HammingPassFunction** pass) {
    *pass = nullptr;
    int device = 0, major = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    if (error != cudaSuccess) return error;
#ifdef RSIR_SM90A
    if (major == 9) *pass = hamming_pass_sm90;
#endif
    if (major != 8) return cudaSuccess;
    bool runs = false;
    error = hamming_sm80_runs(&runs);
    if (runs) *pass = hamming_pass_sm80;
    return error;
}

}  // namespace

cudaError_t hamming_many_runs(bool* runs) {
    HammingPassFunction* pass = nullptr;
    const cudaError_t error = choose_pass(&pass);
    *runs = pass != nullptr;
    return error;
}

std::size_t hamming_many_bytes(std::int64_t q, std::int64_t n, std::int64_t k) {
    return static_cast<std::size_t>(Workspace(nullptr, q, n, k).bytes);
}

cudaError_t hamming_many(const HammingProblem& problem, std::int64_t k, void* workspace, std::int32_t* distances,
                         std::int64_t* ids, cudaStream_t stream) {
    const std::int64_t q = problem.q, n = problem.n;
    if (q == 0) return cudaSuccess;
    HammingPassFunction* run_pass = nullptr;
    cudaError_t error = choose_pass(&run_pass);
    if (error != cudaSuccess) return error;
    if (run_pass == nullptr || problem.words < 1 || problem.words > kMostManyWords || k < 1 || k > kMostSelected) {
        return cudaErrorInvalidValue;
    }
    const Workspace work(workspace, q, n, k);
    error = begin(work, q, stream);
    if (error != cudaSuccess) return error;

    // Some k * (growth - 1) keys are appended in a phase; short phases cost less than the test of many keys.
    const std::int64_t tiles = tiles_of(n), growth = std::clamp<std::int64_t>(kMostKept / (4 * k), 2, 4);
    const int capacity = selection_capacity(k);
    HammingPass pass{
        problem,    counted_bits(problem), static_cast<int>(tiles), 0, 0, 0, work.kept, work.keys, work.counts,
        work.limits};
    if (tiles > 0) pass.stride = static_cast<int>(stride_of(tiles) % tiles);
    error = each_phase(tiles, work.kept / kManyItems, growth, [&](std::int64_t first, std::int64_t count) {
        pass.first = static_cast<int>(first);
        pass.count = static_cast<int>(count);
        const cudaError_t failure = run_pass(pass, stream);
        if (failure != cudaSuccess) return failure;
        return launch(tighten_kernel, static_cast<unsigned>(q), kTightenThreads,
                      static_cast<std::size_t>(capacity) * sizeof(Key), stream, work.keys, work.kept, work.counts,
                      work.dropped, work.failed, work.limits, static_cast<int>(k), capacity);
    });
    if (error != cudaSuccess) return error;

    constexpr std::uint32_t kMissing = std::numeric_limits<std::int32_t>::max();
    auto* words = reinterpret_cast<std::uint32_t*>(distances);
    error = select_smallest({work.keys, q, work.kept, 0, work.counts, nullptr, k, kMissing, words, ids}, stream);
    if (error != cudaSuccess || n == 0) return error;
    error = list_flagged(work.failed, q, work.again, stream);
    if (error != cudaSuccess) return error;
    return hamming_scan_again(problem, k, work.again, work.fallback, distances, ids, stream);
}

}  // namespace rsir::cuda
