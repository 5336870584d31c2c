#include <algorithm>

#include "kernels/cuda/again.cuh"
#include "kernels/cuda/allowed.cuh"
#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/euclidean_topk.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/select.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kBatchedBlocks = 2, kSingleBlocks = 4;  // that a multiprocessor holds at once
constexpr std::int64_t kLeastPart = 256;              // rows: less is not worth a block's start and its last sort
constexpr int kBatch = 8;                             // queries that share one read of the database
constexpr std::int64_t kMostBatched = 256;            // k up to which their candidates fit into shared memory together

template <class T>
struct Sides {
    const T* queries;
    const T* database;
    std::int64_t q, n, d;
    Allowed allowed;
};

// Rows and queries beyond the end are the last ones again.
template <int kQueries, int kRows, class T>
__device__ double tile_distances(const Sides<T>& sides, std::int64_t first_query, std::int64_t first_row) {
    const T* rows[kRows];
    const T* queries[kQueries];
#pragma unroll
    for (int r = 0; r < kRows; ++r) rows[r] = sides.database + min(first_row + r + 0LL, sides.n - 1LL) * sides.d;
#pragma unroll
    for (int j = 0; j < kQueries; ++j) queries[j] = sides.queries + min(first_query + j + 0LL, sides.q - 1LL) * sides.d;
    return squared_distances<kQueries, kRows, T>(queries, rows, sides.d);
}

// A block scans one part of the database for kQueries queries (again: for one) and keeps their k best. kWhere: not
// all rows are allowed.
template <int kQueries, int kRows, class T, bool kWhere>
__global__ void __launch_bounds__(kThreads) scan_kernel(Sides<T> sides, int k, int capacity, Again again, Key* best) {
    constexpr int kTile = kWarps * kRows;
    const Share share = Share::of<kQueries>(again);
    if (!share.any) return;
    Key* const shared = dynamic_shared<Key>();  // [kQueries, capacity]
    __shared__ int counts[kQueries];
    __shared__ Key limits[kQueries];
    const auto candidates = [&](int j) {
        return Candidates{shared + static_cast<std::size_t>(j) * capacity, counts + j, limits + j, capacity, k};
    };
    for (int j = 0; j < kQueries; ++j) candidates(j).clear();
    __syncthreads();
    const std::int64_t first_query = share.query, size = part_size(sides.n, share.parts, kTile);
    const std::int64_t first = share.part * size, last = min(first + size + 0LL, sides.n + 0LL);
    const Pair<kQueries, kRows> pair;
    for (std::int64_t base = first; base < last; base += kTile) {
        const std::int64_t row = base + threadIdx.x / kWarp * kRows;
        // Rows of which none is allowed are not read.
        const unsigned allowed = kWhere ? allowed_bits(sides.allowed, row, kRows, last) : 0;
        const double squared = !kWhere || allowed != 0 ? tile_distances<kQueries, kRows>(sides, first_query, row) : 0;
        const std::int64_t id = row + pair.row;
        const Key key = make_key(distance_bits(squared), static_cast<std::uint32_t>(id));
        bool left = pair.leader && id < last;
        if (kWhere) left = left && (allowed >> pair.row & 1) != 0;
        left = left && !candidates(pair.query).push(key);
        while (__syncthreads_or(left)) {
            for (int j = 0; j < kQueries; ++j) {
                if (candidates(j).full()) candidates(j).cut();
            }
            __syncthreads();  // no push before every thread has seen which were full
            left = left && !candidates(pair.query).push(key);
        }
    }
    __syncthreads();
    const Share end = Share::of<kQueries>(again);  // once more: not kept in registers meanwhile
    for (int j = 0; j < kQueries; ++j) {
        candidates(j).finish();
        if (end.query + j >= sides.q) continue;
        for (int rank = static_cast<int>(threadIdx.x); rank < k; rank += kThreads) {
            best[(static_cast<std::int64_t>(end.row + j) * k + rank) * end.parts + end.part] = candidates(j).keys[rank];
        }
    }
}

template <int kQueries, int kRows, class T, bool kWhere>
__global__ void __launch_bounds__(kThreads) keys_kernel(Sides<T> sides, Key* keys) {
    const Pair<kQueries, kRows> pair;
    const std::int64_t row = (static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp) * kRows;
    for (std::int64_t query = static_cast<std::int64_t>(blockIdx.y) * kQueries; query < sides.q;
         query += static_cast<std::int64_t>(gridDim.y) * kQueries) {
        const double squared = tile_distances<kQueries, kRows>(sides, query, row);
        const std::int64_t id = row + pair.row;
        if (pair.leader && id < sides.n && query + pair.query < sides.q) {
            keys[(query + pair.query) * sides.n + id] =
                !kWhere || is_allowed(sides.allowed, id)
                    ? make_key(distance_bits(squared), static_cast<std::uint32_t>(id))
                    : kLastKey;
        }
    }
}

bool batched(std::int64_t q, std::int64_t k) { return q > 1 && k <= kMostBatched; }

template <class T>
Sides<T> sides_of(const EuclideanProblem& problem) {
    return {static_cast<const T*>(problem.queries),
            static_cast<const T*>(problem.database),
            problem.q,
            problem.n,
            problem.d,
            problem.allowed};
}

template <class T>
cudaError_t launch_scan(const EuclideanProblem& problem, std::int64_t k, std::int64_t parts, const Again& again,
                        Key* keys, cudaStream_t stream) {
    const int capacity = selection_capacity(k);
    const std::size_t bytes = static_cast<std::size_t>(capacity) * sizeof(Key);
    if (again.queries == nullptr && batched(problem.q, k)) {
        const dim3 grid(static_cast<unsigned>((problem.q + kBatch - 1) / kBatch), static_cast<unsigned>(parts));
        const auto kernel = problem.allowed.all() ? scan_kernel<kBatch, 4, T, false> : scan_kernel<kBatch, 4, T, true>;
        return launch(kernel, grid, kThreads, kBatch * bytes, stream, sides_of<T>(problem), static_cast<int>(k),
                      capacity, again, keys);
    }
    const dim3 grid(static_cast<unsigned>(again.queries == nullptr ? problem.q : again.lists),
                    static_cast<unsigned>(parts));
    const auto kernel = problem.allowed.all() ? scan_kernel<1, 8, T, false> : scan_kernel<1, 4, T, true>;
    return launch(kernel, grid, kThreads, bytes, stream, sides_of<T>(problem), static_cast<int>(k), capacity, again,
                  keys);
}

cudaError_t scan(const EuclideanProblem& problem, std::int64_t k, std::int64_t parts, const Again& again, Key* keys,
                 cudaStream_t stream) {
    switch (problem.type) {
        case FloatType::float16:
            return launch_scan<__half>(problem, k, parts, again, keys, stream);
        case FloatType::bfloat16:
            return launch_scan<__nv_bfloat16>(problem, k, parts, again, keys, stream);
        case FloatType::float32:
            return launch_scan<float>(problem, k, parts, again, keys, stream);
        case FloatType::float64:
            return launch_scan<double>(problem, k, parts, again, keys, stream);
    }
    return cudaErrorInvalidValue;
}

template <class T>
cudaError_t launch_keys(const EuclideanProblem& problem, Key* keys, cudaStream_t stream) {
    const std::int64_t rows = kWarps * 4;
    const dim3 grid(static_cast<unsigned>((problem.n + rows - 1) / rows),
                    static_cast<unsigned>(std::min<std::int64_t>((problem.q + kBatch - 1) / kBatch, 65535)));
    const auto kernel = problem.allowed.all() ? keys_kernel<kBatch, 4, T, false> : keys_kernel<kBatch, 4, T, true>;
    return launch(kernel, grid, kThreads, 0, stream, sides_of<T>(problem), keys);
}

}  // namespace

std::int64_t euclidean_parts(std::int64_t q, std::int64_t n, std::int64_t k, int multiprocessors) {
    const bool together = batched(q, k);
    const std::int64_t columns = together ? (q + kBatch - 1) / kBatch : std::max<std::int64_t>(q, 1);
    // No more than run at once: a few blocks more would take as long as a second round of all.
    const std::int64_t blocks = (together ? kBatchedBlocks : kSingleBlocks) * multiprocessors;
    return std::clamp<std::int64_t>(std::min(blocks / columns, n / kLeastPart), 1, 65535);
}

cudaError_t euclidean_scan(const EuclideanProblem& problem, std::int64_t k, std::int64_t parts, Key* keys,
                           cudaStream_t stream) {
    return problem.q == 0 ? cudaSuccess : scan(problem, k, parts, {}, keys, stream);
}

cudaError_t euclidean_scan_again(const EuclideanProblem& problem, std::int64_t k, const int* queries, Key* keys,
                                 float* distances, std::int64_t* ids, cudaStream_t stream) {
    Again again;
    cudaError_t error = share_again(queries, problem.q, problem.n, kLeastPart, &again);
    if (error == cudaSuccess) error = scan(problem, k, 1, again, keys, stream);
    if (error != cudaSuccess) return error;
    return select_smallest({keys, problem.q, 0, 0, nullptr, nullptr, k, kInfinity,
                            reinterpret_cast<std::uint32_t*>(distances), ids, again},
                           stream);
}

cudaError_t euclidean_keys(const EuclideanProblem& problem, Key* keys, cudaStream_t stream) {
    if (problem.q == 0 || problem.n == 0) return cudaSuccess;
    switch (problem.type) {
        case FloatType::float16:
            return launch_keys<__half>(problem, keys, stream);
        case FloatType::bfloat16:
            return launch_keys<__nv_bfloat16>(problem, keys, stream);
        case FloatType::float32:
            return launch_keys<float>(problem, keys, stream);
        case FloatType::float64:
            return launch_keys<double>(problem, keys, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace rsir::cuda
