#include <algorithm>
#include <cmath>

#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/certify.h"
#include "kernels/cuda/certify_product.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/select.cuh"
#include "kernels/cuda/slices.h"
#include "kernels/cuda/walk.h"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kTightenThreads = 512;
constexpr int kTightenItems = 4;
constexpr int kDecideRows = 4;
constexpr int kDecideBlocks = 4;                     // a query
constexpr std::int64_t kMostKept = 1 << 14;          // candidates a query
constexpr std::int64_t kFirstPhase = kMostKept / 2;  // items that are all kept at first
constexpr std::int64_t kFallbackParts = 8;

struct Workspace {
    int* counts;  // [q], and behind them
    int* failed;  // [q]: 1 where there were more than `kept`
    Sidecar queries;
    Key* keys;  // [q, kept]
    float* cuts;
    Key* fallback;  // [q, k, kFallbackParts]
    std::int64_t kept, bytes;

    Workspace(void* memory, Codes codes, std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k) {
        Slices slices(memory);
        counts = slices.take<int>(2 * q);
        failed = counts + q;
        kept = std::min(kMostKept, Sidecar::padded_rows(n));
        const auto bytes_of_queries = static_cast<std::int64_t>(sidecar_bytes(codes, q, d));
        queries = Sidecar::at(slices.take<unsigned char>(bytes_of_queries), codes, q, d);
        keys = slices.take<Key>(q * kept);
        cuts = slices.take<float>(q);
        fallback = slices.take<Key>(q * k * kFallbackParts);
        bytes = slices.used();
    }
};

__global__ void begin_kernel(std::int64_t q, const float* norms, int count, int* counts, int* failed, float* cuts) {
    const std::int64_t query = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (query >= q) return;
    counts[query] = count;
    failed[query] = isnan(norms[query]);
    cuts[query] = __uint_as_float(kInfinity);
}

// One block a query: from the k smallest A of its candidates the new cut, and away with the candidates beyond it.
__global__ void __launch_bounds__(kTightenThreads)
    tighten_kernel(Key* all_keys, std::int64_t kept, int* counts, int* failed, float* cuts, Sidecar queries,
                   const std::uint32_t* maximum, double sum_error, int k, int capacity) {
    Key* const buffer = dynamic_shared<Key>();
    __shared__ int count;
    __shared__ Key limit;
    __shared__ int written;
    const std::int64_t query = blockIdx.x;
    Key* keys = all_keys + query * kept;
    const int m = min(counts[query], static_cast<int>(kept));
    const Candidates candidates{buffer, &count, &limit, capacity, k};
    if (threadIdx.x == 0) written = 0;
    collect<kTightenThreads, kTightenItems>(candidates, keys, m);

    const auto kth = static_cast<std::uint32_t>(limit >> 32);
    const double residuals = static_cast<double>(queries.residual[query]) + __uint_as_float(maximum[1]);
    const double error = sum_error * (static_cast<double>(queries.norm[query]) + __uint_as_float(maximum[0]));
    const double reach = sqrt(static_cast<double>(__uint_as_float(kth)) + error) + 2 * residuals;
    // 1e-6: the canonical distance is rounded to float32, and equal ones are ordered by id.
    const float cut =
        kth >= kInfinity ? __uint_as_float(kInfinity) : __double2float_ru(reach * reach * (1.0 + 1e-6) + error);
    for (int base = 0; base < m; base += kTightenThreads * kTightenItems) {
        Key mine[kTightenItems];
#pragma unroll
        for (int u = 0; u < kTightenItems; ++u) {
            const int i = base + u * kTightenThreads + static_cast<int>(threadIdx.x);
            mine[u] = i < m ? keys[i] : kNoKey;
        }
        __syncthreads();  // survivors are written below what has been read
#pragma unroll
        for (int u = 0; u < kTightenItems; ++u) {
            const auto bits = static_cast<std::uint32_t>(mine[u] >> 32);
            if (mine[u] != kNoKey && (bits >= kInfinity || __uint_as_float(bits) <= cut)) {
                keys[atomicAdd(&written, 1)] = mine[u];
            }
        }
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    if (counts[query] > kept) failed[query] = 1;
    counts[query] = written;
    cuts[query] = cut;
}

// The candidates' keys become those of their canonical distances.
template <class T>
__global__ void __launch_bounds__(kThreads) decide_kernel(const T* queries, const T* database, std::int64_t d,
                                                          Key* all_keys, std::int64_t kept, const int* counts) {
    const std::int64_t query = blockIdx.y;
    const int count = counts[query];
    Key* keys = all_keys + query * kept;
    const Pair<1, kDecideRows> pair;
    const T* wanted[1] = {queries + query * d};
    for (int first = (static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp) * kDecideRows;
         first < count; first += kDecideBlocks * kWarps * kDecideRows) {
        const T* rows[kDecideRows];
#pragma unroll
        for (int r = 0; r < kDecideRows; ++r) {
            // Beyond the end the warp's own first one again: another's key is being rewritten.
            const int at = first + r < count ? first + r : first;
            rows[r] = database + static_cast<std::int64_t>(keys[at] & 0xffffffffu) * d;
        }
        const int mine = first + pair.row;
        const auto id = static_cast<std::uint32_t>(keys[mine < count ? mine : first]);
        const double squared = squared_distances<1, kDecideRows, T>(wanted, rows, d);
        __syncwarp();  // all lanes have read the keys
        if (pair.leader && mine < count) keys[mine] = make_key(distance_bits(squared), id);
    }
}

template <class T>
cudaError_t launch_decide(const EuclideanProblem& problem, const Workspace& work, cudaStream_t stream) {
    constexpr std::int64_t kMostRows = 65535;
    const T* queries = static_cast<const T*>(problem.queries);
    for (std::int64_t first = 0; first < problem.q; first += kMostRows) {
        const dim3 grid(kDecideBlocks, static_cast<unsigned>(std::min(kMostRows, problem.q - first)));
        const cudaError_t error = launch(decide_kernel<T>, grid, kThreads, 0, stream, queries + first * problem.d,
                                         static_cast<const T*>(problem.database), problem.d,
                                         work.keys + first * work.kept, work.kept, work.counts + first);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

cudaError_t decide(const EuclideanProblem& problem, const Workspace& work, cudaStream_t stream) {
    switch (problem.type) {
        case FloatType::float16:
            return launch_decide<__half>(problem, work, stream);
        case FloatType::bfloat16:
            return launch_decide<__nv_bfloat16>(problem, work, stream);
        case FloatType::float32:
            return launch_decide<float>(problem, work, stream);
        case FloatType::float64:
            return launch_decide<double>(problem, work, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace

std::size_t certify_bytes(Codes codes, std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k) {
    return static_cast<std::size_t>(Workspace(nullptr, codes, q, n, d, k).bytes);
}

cudaError_t certified_topk(const EuclideanProblem& problem, const Sidecar& database, std::int64_t k, void* workspace,
                           float* distances, std::int64_t* ids, cudaStream_t stream) {
    const std::int64_t q = problem.q, n = problem.n, d = problem.d;
    if (q == 0) return cudaSuccess;
    if (database.codes == Codes::int8 && (q > kMostStreamed || d > kMostIntegerWidth)) return cudaErrorInvalidValue;
    const Workspace work(workspace, database.codes, q, n, d, k);
    cudaError_t error = make_sidecar(problem.queries, problem.type, q, d, work.queries, stream);
    if (error != cudaSuccess) return error;

    const std::int64_t tiles = (n + kItemTile - 1) / kItemTile;
    const std::int64_t first_phase = std::min({tiles, kFirstPhase / kItemTile, work.kept / kItemTile});
    error = launch(begin_kernel, static_cast<unsigned>((q + kThreads - 1) / kThreads), kThreads, 0, stream, q,
                   work.queries.norm, static_cast<int>(first_phase * kItemTile), work.counts, work.failed, work.cuts);
    if (error != cudaSuccess) return error;

    // Each phase is so much longer than all before it that about a quarter of the room for candidates is used.
    const std::int64_t growth = std::clamp<std::int64_t>(kMostKept / (4 * k), 2, 16);
    const bool integers = database.codes == Codes::int8;
    const double sum_error = (integers ? 0.0 : static_cast<double>(database.width) / 16.0 * 0x1p-18) + 0x1p-20;
    const int capacity = selection_capacity(k);
    Product product{work.queries, database,  q,         n,           stride_of(tiles), tiles, 0, 0,
                    false,        work.kept, work.keys, work.counts, work.cuts};
    error = each_phase(tiles, first_phase, growth, [&](std::int64_t first, std::int64_t count) {
        product.first = first;
        product.count = count;
        product.keep_all = first == 0;
        const cudaError_t failure = integers ? multiply_stream(product, stream) : multiply(product, stream);
        if (failure != cudaSuccess) return failure;
        return launch(tighten_kernel, static_cast<unsigned>(q), kTightenThreads,
                      static_cast<std::size_t>(capacity) * sizeof(Key), stream, work.keys, work.kept, work.counts,
                      work.failed, work.cuts, work.queries, database.maximum, sum_error, static_cast<int>(k), capacity);
    });
    if (error != cudaSuccess) return error;
    error = decide(problem, work, stream);
    if (error != cudaSuccess) return error;
    auto* words = reinterpret_cast<std::uint32_t*>(distances);
    error = select_smallest({work.keys, q, work.kept, 0, work.counts, nullptr, k, kInfinity, words, ids}, stream);
    if (error != cudaSuccess) return error;
    const std::int64_t parts = kFallbackParts;
    error = euclidean_scan(problem, k, parts, work.failed, work.fallback, stream);
    if (error != cudaSuccess) return error;
    return select_smallest({work.fallback, q, k * parts, k * parts, nullptr, work.failed, k, kInfinity, words, ids},
                           stream);
}

}  // namespace rsir::cuda
