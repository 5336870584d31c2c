#include <algorithm>
#include <limits>

#include "kernels/cuda/again.cuh"
#include "kernels/cuda/allowed.cuh"
#include "kernels/cuda/hamming.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/select.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocksPerMultiprocessor = 3;   // their registers fit; those of several queries not on sm_100 and newer
constexpr std::int64_t kLeastPart = 1 << 14;  // items: less is not worth a block's start and its last sort
constexpr int kBatch = 8;                     // queries that share one read of the database
constexpr std::int64_t kMostBatched = 256;    // k up to which their candidates fit into shared memory together

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
template <int kQueries>
constexpr int kBlocksOf = kQueries == 1 ? kBlocksPerMultiprocessor : 2;
#else
template <int kQueries>
constexpr int kBlocksOf = kBlocksPerMultiprocessor;
#endif

template <int kQueries, bool kWhere>
constexpr int kItemsOf = kQueries == 1 && !kWhere ? 8 : 4;  // codes a thread between two barriers

// A block scans one part of the database for kQueries queries (again: for one) and keeps their k best. kWords: words a
// code where known at compile time, else 0. kWhere: not all items are allowed.
template <int kQueries, int kWords, bool kWhere>
__global__ void __launch_bounds__(kThreads, kBlocksOf<kQueries>)
    scan_kernel(HammingProblem problem, int k, int capacity, Again again, Key* best) {
    constexpr int kItems = kItemsOf<kQueries, kWhere>;
    constexpr int kTile = kThreads * kItems;
    const Share share = Share::of<kQueries>(again);
    if (!share.any) return;
    Key* const shared = dynamic_shared<Key>();  // [kQueries, capacity] candidates, then [kQueries, words] queries
    __shared__ int counts[kQueries];
    __shared__ Key limits[kQueries];
    const int words = kWords == 0 ? problem.words : kWords;
    std::uint64_t* queries = shared + static_cast<std::size_t>(kQueries) * capacity;
    const std::int64_t first_query = share.query;
    const auto candidates = [&](int j) {
        return Candidates{shared + static_cast<std::size_t>(j) * capacity, counts + j, limits + j, capacity, k};
    };
    for (int i = static_cast<int>(threadIdx.x); i < kQueries * words; i += kThreads) {
        const std::int64_t query = min(static_cast<long long>(first_query + i / words), problem.q - 1LL);
        queries[i] = problem.queries[query * words + i % words];
    }
    for (int j = 0; j < kQueries; ++j) candidates(j).clear();
    __syncthreads();

    const std::int64_t size = part_size(problem.n, share.parts, kTile);
    const std::int64_t first = share.part * size, last = min(static_cast<long long>(first + size), problem.n + 0LL);
    std::uint32_t worst[kQueries];
#pragma unroll
    for (int j = 0; j < kQueries; ++j) worst[j] = ~0u;
    const auto load = [&](std::int64_t base, int w, std::uint64_t (&item)[kItems]) {
        const std::int64_t start = min(static_cast<long long>(base), last - 1LL);
        const int room = static_cast<int>(min(last - start, std::int64_t{kTile}));
        const std::uint64_t* from = problem.database + start * words + w;
#pragma unroll
        for (int u = 0; u < kItems; ++u) {
            const int i = min(u * kThreads + static_cast<int>(threadIdx.x), room - 1);
            // What is not allowed is not read, and left out before it is pushed.
            const bool is_read = !kWhere || is_allowed(problem.allowed, start + i);
            item[u] = is_read ? load_word(from + static_cast<std::int64_t>(i) * words) : 0;
        }
    };
    // The next tile is on its way while this one is worked on.
    constexpr bool kAhead = kWords == 1;
    std::uint64_t item[kItems];
    if (kAhead && first < last) load(first, 0, item);
    for (std::int64_t base = first; base < last; base += kTile) {
        std::uint32_t distances[kItems][kQueries] = {};
        std::uint64_t ahead[kItems];
        if constexpr (kAhead) load(base + kTile, 0, ahead);
#pragma unroll
        for (int w = 0; w < words; ++w) {
            if constexpr (!kAhead) load(base, w, item);
            const std::uint64_t mask = w == words - 1 ? problem.mask : ~std::uint64_t{0};
#pragma unroll
            for (int j = 0; j < kQueries; ++j) {
                const std::uint64_t query = queries[j * words + w];
#pragma unroll
                for (int u = 0; u < kItems; ++u) distances[u][j] += __popcll((item[u] ^ query) & mask);
            }
        }
        if constexpr (kAhead) {
#pragma unroll
            for (int u = 0; u < kItems; ++u) item[u] = ahead[u];
        }
        const int room = static_cast<int>(min(last - base, std::int64_t{kTile}));
        unsigned left = 0;  // bit u * kQueries + j: item u is yet to be pushed to query j
#pragma unroll
        for (int u = 0; u < kItems; ++u) {
            const bool inside = u * kThreads + static_cast<int>(threadIdx.x) < room;
#pragma unroll
            for (int j = 0; j < kQueries; ++j) {
                if (inside && distances[u][j] <= worst[j]) left |= 1u << (u * kQueries + j);
            }
        }
        if (kWhere && left != 0) {
#pragma unroll
            for (int u = 0; u < kItems; ++u) {
                constexpr unsigned kOfItem = (1u << kQueries) - 1;
                const unsigned of_item = kOfItem << (u * kQueries);
                const std::int64_t id = base + u * kThreads + static_cast<int>(threadIdx.x);
                if ((left & of_item) != 0 && !is_allowed(problem.allowed, id)) left &= ~of_item;
            }
        }
        const auto push = [&] {
#pragma unroll
            for (int u = 0; u < kItems; ++u) {
                const auto id = static_cast<std::uint32_t>(base + u * kThreads + threadIdx.x);
#pragma unroll
                for (int j = 0; j < kQueries; ++j) {
                    const unsigned bit = 1u << (u * kQueries + j);
                    if ((left & bit) != 0 && candidates(j).push(make_key(distances[u][j], id))) left &= ~bit;
                }
            }
        };
        if (left != 0) push();
        while (__syncthreads_or(left != 0)) {
            for (int j = 0; j < kQueries; ++j) {
                if (candidates(j).full()) candidates(j).cut();
            }
            __syncthreads();  // no push before every thread has seen which were full
#pragma unroll
            for (int j = 0; j < kQueries; ++j) worst[j] = static_cast<std::uint32_t>(limits[j] >> 32);
            if (left != 0) push();
        }
    }
    __syncthreads();
    const Share end = Share::of<kQueries>(again);  // once more: not kept in registers meanwhile
    for (int j = 0; j < kQueries; ++j) {
        candidates(j).finish();
        if (end.query + j >= problem.q) continue;
        for (int rank = static_cast<int>(threadIdx.x); rank < k; rank += kThreads) {
            best[(static_cast<std::int64_t>(end.row + j) * k + rank) * end.parts + end.part] = candidates(j).keys[rank];
        }
    }
}

__global__ void __launch_bounds__(kThreads) keys_kernel(HammingProblem problem, Key* keys) {
    const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (item >= problem.n) return;
    const bool allowed = is_allowed(problem.allowed, item);
    for (std::int64_t query = blockIdx.y; query < problem.q; query += gridDim.y) {
        std::uint32_t distance = 0;
        for (int w = 0; allowed && w < problem.words; ++w) {
            const std::uint64_t mask = w == problem.words - 1 ? problem.mask : ~std::uint64_t{0};
            const std::uint64_t other = problem.queries[query * problem.words + w];
            distance += __popcll((load_word(problem.database + item * problem.words + w) ^ other) & mask);
        }
        keys[query * problem.n + item] = allowed ? make_key(distance, static_cast<std::uint32_t>(item)) : kLastKey;
    }
}

bool batched(std::int64_t q, std::int64_t k, int words) { return q > 1 && k <= kMostBatched && words <= 64; }

template <int kQueries, int kWords>
cudaError_t launch_scan(const HammingProblem& problem, std::int64_t k, std::int64_t parts, const Again& again,
                        Key* keys, cudaStream_t stream) {
    const int capacity = selection_capacity(k);
    const std::int64_t columns = again.queries == nullptr ? (problem.q + kQueries - 1) / kQueries : again.lists;
    const dim3 grid(static_cast<unsigned>(columns), static_cast<unsigned>(parts));
    const std::size_t bytes = static_cast<std::size_t>(kQueries) * (capacity + problem.words) * sizeof(Key);
    const auto kernel =
        problem.allowed.all() ? scan_kernel<kQueries, kWords, false> : scan_kernel<kQueries, kWords, true>;
    return launch(kernel, grid, kThreads, bytes, stream, problem, static_cast<int>(k), capacity, again, keys);
}

template <int kQueries>
cudaError_t choose_words(const HammingProblem& problem, std::int64_t k, std::int64_t parts, const Again& again,
                         Key* keys, cudaStream_t stream) {
    if (problem.words == 1) return launch_scan<kQueries, 1>(problem, k, parts, again, keys, stream);
    if (problem.words == 2) return launch_scan<kQueries, 2>(problem, k, parts, again, keys, stream);
    return launch_scan<kQueries, 0>(problem, k, parts, again, keys, stream);
}

}  // namespace

std::int64_t hamming_parts(std::int64_t q, std::int64_t n, std::int64_t k, int multiprocessors) {
    const std::int64_t columns = batched(q, k, 1) ? (q + kBatch - 1) / kBatch : std::max<std::int64_t>(q, 1);
    // No more than run at once: a few blocks more would take as long as a second round of all.
    const std::int64_t blocks = kBlocksPerMultiprocessor * multiprocessors;
    return std::clamp<std::int64_t>(std::min(blocks / columns, n / kLeastPart), 1, 65535);
}

cudaError_t hamming_scan(const HammingProblem& problem, std::int64_t k, std::int64_t parts, Key* keys,
                         cudaStream_t stream) {
    if (problem.q == 0) return cudaSuccess;
    return batched(problem.q, k, problem.words) ? choose_words<kBatch>(problem, k, parts, {}, keys, stream)
                                                : choose_words<1>(problem, k, parts, {}, keys, stream);
}

cudaError_t hamming_scan_again(const HammingProblem& problem, std::int64_t k, const int* queries, Key* keys,
                               std::int32_t* distances, std::int64_t* ids, cudaStream_t stream) {
    Again again;
    cudaError_t error = share_again(queries, problem.q, problem.n, kLeastPart, &again);
    if (error == cudaSuccess) error = choose_words<1>(problem, k, 1, again, keys, stream);
    if (error != cudaSuccess) return error;
    constexpr std::uint32_t kMissing = std::numeric_limits<std::int32_t>::max();
    return select_smallest(
        {keys, problem.q, 0, 0, nullptr, nullptr, k, kMissing, reinterpret_cast<std::uint32_t*>(distances), ids, again},
        stream);
}

cudaError_t hamming_keys(const HammingProblem& problem, Key* keys, cudaStream_t stream) {
    if (problem.q == 0 || problem.n == 0) return cudaSuccess;
    const dim3 grid(static_cast<unsigned>((problem.n + kThreads - 1) / kThreads),
                    static_cast<unsigned>(std::min<std::int64_t>(problem.q, 65535)));
    return launch(keys_kernel, grid, kThreads, 0, stream, problem, keys);
}

}  // namespace rsir::cuda
