#include <algorithm>
#include <cmath>

#include "kernels/cuda/again.cuh"
#include "kernels/cuda/by_type.cuh"
#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/certify.h"
#include "kernels/cuda/certify_product.cuh"
#include "kernels/cuda/launch.cuh"
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
constexpr std::int64_t kFirstPhase = 1 << 13, kLeastFirst = 1 << 10;  // items that are all kept at first

// Candidates a query: int8 leaves more in doubt, of few queries.
std::int64_t room(Codes codes, std::int64_t n) {
    return std::min<std::int64_t>(codes == Codes::int8 ? 1 << 15 : 1 << 14, Sidecar::padded_rows(n));
}

Codes codes_of_queries(Codes database) { return database == Codes::int8 ? Codes::words : database; }

// Tiles whose items are all kept at first. All of them are written and cut, so many queries take no more than fill the
// device, with enough for a cut that leaves few of the next; unless what is left would be no more than these.
std::int64_t first_tiles(Codes codes, std::int64_t q, std::int64_t tiles, std::int64_t k, int multiprocessors) {
    constexpr std::int64_t kMost = kFirstPhase / kItemTile;
    if (codes == Codes::int8) return std::min(tiles, kMost);
    const std::int64_t query_tiles = (q + kQueryTile - 1) / kQueryTile;
    const std::int64_t least = (std::max(kLeastFirst, 4 * k) + kItemTile - 1) / kItemTile;
    const std::int64_t first = std::clamp(multiprocessors / query_tiles, least, kMost);
    return tiles <= std::min(2 * first, kMost) ? tiles : first;
}

struct Workspace {
    int* counts;  // [q]: candidates; and behind them
    int* failed;  // [q]: 1 where they are too many, or nothing can be excluded
    int* wanted;  // [q]: 1 where the pass at hand goes on
    Cut* cuts;
    Key* nearest;  // [q, k]
    int* again;    // [1 + q]: the queries that failed
    Key* fallback;
    Key* keys;   // [q, room]
    void* copy;  // of the queries
    std::int64_t bytes;

    Workspace(void* memory, const Copies& database, std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k) {
        Slices slices(memory);
        counts = slices.take<int>(2 * q);
        failed = counts + q;
        wanted = slices.take<int>(q);
        cuts = slices.take<Cut>(q);
        nearest = slices.take<Key>(database.int8.values == nullptr ? 0 : q * k);
        again = slices.take<int>(1 + q);
        fallback = slices.take<Key>(most_lists(q) * k);
        std::int64_t most_kept = 0, copy_bytes = 0;
        for (const Codes codes : {Codes::half, Codes::int8}) {
            if (database.of(codes).values == nullptr) continue;
            most_kept = std::max(most_kept, room(codes, n));
            const std::size_t of_queries = sidecar_bytes(codes_of_queries(codes), q, d);
            copy_bytes = std::max(copy_bytes, static_cast<std::int64_t>(of_queries));
        }
        keys = slices.take<Key>(q * most_kept);
        copy = slices.take<unsigned char>(copy_bytes);
        bytes = slices.used();
    }
};

// Where the queries stand.
struct State {
    int *counts, *failed, *wanted;
    Cut* cuts;
};

// One block a query. A query with a NaN has the distance NaN to every row: it is answered here, where all are allowed,
// else by the scan. `all`: that they are. `first`: of the passes;
// a later one is for the queries that the one before has failed in.
template <class T>
__global__ void __launch_bounds__(kThreads)
    begin_kernel(const T* queries, std::int64_t n, std::int64_t d, bool first, bool all, const float* norms, int count,
                 State state, int k, float* distances, std::int64_t* ids) {
    const std::int64_t query = blockIdx.x;
    const bool wild = isnan(norms[query]), open = first || state.failed[query] != 0;
    bool nan = false;
    if (first && wild && all) {
        for (std::int64_t i = threadIdx.x; i < d; i += kThreads) nan = nan || isnan(widen(queries[query * d + i]));
    }
    nan = __syncthreads_or(nan) != 0;  // and all have read where the query stands
    if (nan) {
        for (int rank = static_cast<int>(threadIdx.x); rank < k; rank += kThreads) {
            distances[query * k + rank] = __uint_as_float(rank < n ? kQuietNaN : kInfinity);
            ids[query * k + rank] = rank < n ? rank : -1;
        }
    }
    if (threadIdx.x != 0) return;
    state.wanted[query] = open && !wild ? 1 : 0;
    if (!open) return;
    state.counts[query] = wild ? 0 : count;
    state.failed[query] = wild && !nan ? 1 : 0;
    state.cuts[query] = {__uint_as_float(kInfinity), 0.0f};
}

// One block a query: the k smallest keys of its candidates.
__global__ void __launch_bounds__(kTightenThreads)
    nearest_kernel(const Key* keys, std::int64_t kept, State state, Key* nearest, int k, int capacity) {
    const std::int64_t query = blockIdx.x;
    if (state.wanted[query] == 0) return;
    Key* const buffer = dynamic_shared<Key>();
    __shared__ int count;
    __shared__ Key limit;
    const Candidates candidates{buffer, &count, &limit, capacity, k};
    collect<kTightenThreads, kTightenItems>(candidates, keys + query * kept,
                                            min(state.counts[query], static_cast<int>(kept)));
    for (int rank = static_cast<int>(threadIdx.x); rank < k; rank += kTightenThreads) {
        nearest[query * k + rank] = buffer[rank];
    }
}

// An upper bound of the distance of the item of a key by A.
__device__ inline double farthest(Key key, const Sidecar& queries, std::int64_t query, const Sidecar& database,
                                  double sum_error) {
    const auto item = static_cast<std::int64_t>(key & 0xffffffffu);
    const double norms = static_cast<double>(queries.norm[query]) + static_cast<double>(database.norm[item]);
    return sqrt(static_cast<double>(__uint_as_float(static_cast<std::uint32_t>(key >> 32))) + sum_error * norms) +
           static_cast<double>(database.residual[item]) + static_cast<double>(queries.residual[query]);
}

// What becomes of a query whose candidates are too many to go on with.
struct Prospect {
    double ahead;       // how many times as many items there will be after the next phase
    std::int64_t most;  // candidates that may be expected then
};

// One block a query: the new cut, and away with the candidates beyond it. nearest [q, k]: the keys of canonical
// distances of k candidates, of which the largest is T; or null, and T comes from the k smallest A.
__global__ void __launch_bounds__(kTightenThreads)
    tighten_kernel(Key* all_keys, std::int64_t kept, State state, Sidecar queries, Sidecar database, double sum_error,
                   const Key* nearest, int k, Prospect prospect) {
    const std::int64_t query = blockIdx.x;
    if (state.wanted[query] == 0) return;
    std::uint32_t* const distances = dynamic_shared<std::uint32_t>();  // [kept], unless T is from `nearest`
    __shared__ int rounds[kMostRounds];
    __shared__ int written;
    __shared__ std::uint32_t most;  // T as bits, rounded up
    Key* keys = all_keys + query * kept;
    const int m = min(state.counts[query], static_cast<int>(kept));
    if (threadIdx.x < kMostRounds) rounds[threadIdx.x] = 0;
    if (threadIdx.x == 0) {
        written = 0;
        most = 0;
    }
    for (int i = static_cast<int>(threadIdx.x); nearest == nullptr && i < m; i += kTightenThreads) {
        distances[i] = static_cast<std::uint32_t>(keys[i] >> 32);
    }
    __syncthreads();
    if (nearest == nullptr) {
        const std::uint32_t bound = bound_of_smallest<kTightenThreads>(distances, m, k, rounds);
        if (bound == kInfinity && threadIdx.x == 0) atomicMax(&most, bound);
        for (int i = static_cast<int>(threadIdx.x); bound < kInfinity && i < m; i += kTightenThreads) {
            if (distances[i] > bound) continue;
            const double far = farthest(keys[i], queries, query, database, sum_error);
            atomicMax(&most, __float_as_uint(__double2float_ru(far)));
        }
    } else {
        for (int rank = static_cast<int>(threadIdx.x); rank < k; rank += kTightenThreads) {
            auto bits = static_cast<std::uint32_t>(nearest[query * k + rank] >> 32);
            if (bits < kInfinity) {
                bits = __float_as_uint(__double2float_ru(sqrt(static_cast<double>(__uint_as_float(bits)))));
            }
            atomicMax(&most, bits);
        }
    }
    __syncthreads();

    Cut cut = state.cuts[query];
    if (most < kInfinity) {
        const double reach = static_cast<double>(__uint_as_float(most)) + static_cast<double>(queries.residual[query]);
        const Cut next = Cut::of(reach, sum_error, queries.norm[query]);
        if (next.base < cut.base) cut = next;  // the k of A may be farther than those of the last phase
    }
    for (int base = 0; base < m; base += kTightenThreads * kTightenItems) {
        Key mine[kTightenItems];
        bool stays[kTightenItems];
#pragma unroll
        for (int u = 0; u < kTightenItems; ++u) {
            const int i = base + u * kTightenThreads + static_cast<int>(threadIdx.x);
            mine[u] = i < m ? keys[i] : kNoKey;
            stays[u] = false;
            if (mine[u] == kNoKey) continue;
            const auto item = static_cast<std::int64_t>(mine[u] & 0xffffffffu);
            stays[u] = !cut.excludes(__uint_as_float(static_cast<std::uint32_t>(mine[u] >> 32)), sum_error,
                                     database.norm[item], database.residual[item]);
        }
        __syncthreads();  // survivors are written below what has been read
#pragma unroll
        for (int u = 0; u < kTightenItems; ++u) {
            if (stays[u]) keys[atomicAdd(&written, 1)] = mine[u];
        }
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    const bool too_many = state.counts[query] > kept ||
                          static_cast<double>(written) * prospect.ahead > static_cast<double>(prospect.most);
    state.failed[query] = too_many ? 1 : 0;
    state.wanted[query] = too_many ? 0 : 1;
    state.counts[query] = too_many ? 0 : written;
    state.cuts[query] = cut;
}

// The keys of items become those of their canonical distances; kNoKey stays.
template <class T>
__global__ void __launch_bounds__(kThreads) decide_kernel(const T* queries, const T* database, std::int64_t d,
                                                          Key* all_keys, std::int64_t stride, State state, int most) {
    const std::int64_t query = blockIdx.y;
    if (state.wanted[query] == 0) return;
    const int count = min(state.counts[query], most);
    Key* keys = all_keys + query * stride;
    const Pair<1, kDecideRows> pair;
    const T* wanted[1] = {queries + query * d};
    for (int first = (static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp) * kDecideRows;
         first < count; first += static_cast<int>(gridDim.x) * kWarps * kDecideRows) {
        const T* rows[kDecideRows];
#pragma unroll
        for (int r = 0; r < kDecideRows; ++r) {
            // Beyond the end the warp's own first one again: another's key is being rewritten.
            const Key key = keys[first + r < count ? first + r : first];
            rows[r] = database + (key == kNoKey ? 0 : static_cast<std::int64_t>(key & 0xffffffffu)) * d;
        }
        const int mine = first + pair.row;
        const Key key = keys[mine < count ? mine : first];
        const double squared = squared_distances<1, kDecideRows, T>(wanted, rows, d);
        __syncwarp();  // all lanes have read the keys
        if (pair.leader && mine < count && key != kNoKey) {
            keys[mine] = make_key(distance_bits(squared), static_cast<std::uint32_t>(key));
        }
    }
}

// One search on the caller's stream, of either copy of the database.
struct Search {
    const EuclideanProblem& problem;
    std::int64_t k;
    const Workspace& work;
    float* distances;
    std::int64_t* ids;
    cudaStream_t stream;
    int multiprocessors;

    State state() const { return {work.counts, work.failed, work.wanted, work.cuts}; }
    State state(std::int64_t first) const {
        return {work.counts + first, work.failed + first, work.wanted + first, work.cuts + first};
    }

    template <class T>
    cudaError_t begin_typed(bool first, const float* norms, std::int64_t count) const {
        return launch(begin_kernel<T>, static_cast<unsigned>(problem.q), kThreads, 0, stream,
                      static_cast<const T*>(problem.queries), problem.n, problem.d, first, problem.allowed.all(), norms,
                      static_cast<int>(count), state(), static_cast<int>(k), distances, ids);
    }

    // keys [q, stride], of which up to `most` a query; as many blocks a query as fill the device.
    template <class T>
    cudaError_t decide_typed(Key* keys, std::int64_t stride, std::int64_t most) const {
        constexpr std::int64_t kMostRows = 65535, kLeastBlocks = 4;
        const std::int64_t blocks = std::clamp(4 * multiprocessors / problem.q, kLeastBlocks,
                                               std::max(kLeastBlocks, most / (kWarps * kDecideRows)));
        const T* queries = static_cast<const T*>(problem.queries);
        for (std::int64_t first = 0; first < problem.q; first += kMostRows) {
            const dim3 grid(static_cast<unsigned>(blocks),
                            static_cast<unsigned>(std::min(kMostRows, problem.q - first)));
            const cudaError_t error = launch(decide_kernel<T>, grid, kThreads, 0, stream, queries + first * problem.d,
                                             static_cast<const T*>(problem.database), problem.d, keys + first * stride,
                                             stride, state(first), static_cast<int>(most));
            if (error != cudaSuccess) return error;
        }
        return cudaSuccess;
    }

    cudaError_t begin(bool first, const float* norms, std::int64_t count) const {
        return by_type(problem.type, [&](auto type) { return begin_typed<decltype(type)>(first, norms, count); });
    }
    cudaError_t decide(Key* keys, std::int64_t stride, std::int64_t most) const {
        return by_type(problem.type, [&](auto type) { return decide_typed<decltype(type)>(keys, stride, most); });
    }

    // Answers the queries that it does not fail in. `first`, `last`: of the passes; the last one goes on as long as
    // there is room, others give up where more than half of it is expected to be needed.
    cudaError_t pass(const Sidecar& database, bool first, bool last) const;
};

cudaError_t Search::pass(const Sidecar& database, bool first, bool last) const {
    const std::int64_t q = problem.q, n = problem.n, kept = room(database.codes, n);
    const bool integers = database.codes == Codes::int8;
    const Sidecar queries = Sidecar::at(work.copy, codes_of_queries(database.codes), q, problem.d);
    cudaError_t error = make_sidecar(problem.queries, problem.type, q, problem.d, queries, stream);
    if (error != cudaSuccess) return error;

    const std::int64_t tiles = (n + kItemTile - 1) / kItemTile;
    const std::int64_t first_phase = first_tiles(database.codes, q, tiles, k, multiprocessors);
    error = begin(first, queries.norm, first_phase * kItemTile);
    if (error != cudaSuccess) return error;

    // Each phase is so much longer than all before it that about a quarter of the room is used by what will stay; of
    // int8 there are a few times as many that only the next cut excludes.
    const std::int64_t growth = std::clamp<std::int64_t>(kept / ((integers ? 8 : 4) * k), 2, integers ? 8 : 16);
    const double sum_error = (integers ? 0.0 : static_cast<double>(database.width) / 16.0 * 0x1p-18) + 0x1p-20;
    const int capacity = selection_capacity(k);
    const std::size_t shared_bytes = static_cast<std::size_t>(capacity) * sizeof(Key);
    const auto blocks = static_cast<unsigned>(q);
    Product product{queries,   database,    q,           n,         stride_of(tiles),   tiles,
                    0,         0,           sum_error,   false,     integers || !first, kept,
                    work.keys, work.counts, work.wanted, work.cuts, problem.allowed};
    const auto multiply_codes = !integers ? multiply : q <= kMostStreamed ? multiply_stream : multiply_words;
    error = each_phase(tiles, first_phase, growth, [&](std::int64_t start, std::int64_t count) {
        product.first = start;
        product.count = count;
        product.keep_all = start == 0;
        cudaError_t failure = multiply_codes(product, stream);
        if (failure == cudaSuccess && integers) {
            failure = launch(nearest_kernel, blocks, kTightenThreads, shared_bytes, stream, work.keys, kept, state(),
                             work.nearest, static_cast<int>(k), capacity);
            if (failure == cudaSuccess) failure = decide(work.nearest, k, k);
        }
        if (failure != cudaSuccess) return failure;
        const std::int64_t seen = start + count, next = std::min(tiles - seen, seen * (growth - 1));
        const Prospect prospect{last || next == 0 ? 0.0 : static_cast<double>(seen + next) / static_cast<double>(seen),
                                kept / 2};
        const std::size_t distances_bytes = integers ? 0 : static_cast<std::size_t>(kept) * sizeof(std::uint32_t);
        return launch(tighten_kernel, blocks, kTightenThreads, distances_bytes, stream, work.keys, kept, state(),
                      queries, database, sum_error, integers ? work.nearest : nullptr, static_cast<int>(k), prospect);
    });
    if (error == cudaSuccess) error = decide(work.keys, kept, kept);
    if (error != cudaSuccess) return error;
    auto* words = reinterpret_cast<std::uint32_t*>(distances);
    return select_smallest({work.keys, q, kept, 0, work.counts, work.wanted, k, kInfinity, words, ids}, stream);
}

}  // namespace

cudaError_t most_by_integers(std::int64_t* queries) {
    *queries = kMostStreamed;
    int device = 0, major = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
#ifdef RSIR_SM90A
    if (major == 9) *queries = kMostWords;
#endif
    return error;
}

std::size_t certify_bytes(const Copies& database, std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k) {
    return static_cast<std::size_t>(Workspace(nullptr, database, q, n, d, k).bytes);
}

cudaError_t certified_topk(const EuclideanProblem& problem, const Copies& database, std::int64_t k, void* workspace,
                           float* distances, std::int64_t* ids, cudaStream_t stream) {
    const std::int64_t q = problem.q, d = problem.d;
    const bool by_int8 = database.int8.values != nullptr, by_half = database.half.values != nullptr;
    if (q == 0) return cudaSuccess;
    if (!by_int8 && !by_half) return cudaErrorInvalidValue;
    std::int64_t most = 0;
    cudaError_t error = most_by_integers(&most);
    if (error == cudaSuccess && by_int8 && (q > most || d > kMostIntegerWidth)) return cudaErrorInvalidValue;
    int device = 0, multiprocessors = 0;
    if (error == cudaSuccess) error = cudaGetDevice(&device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    if (error != cudaSuccess) return error;
    const Workspace work(workspace, database, q, problem.n, d, k);
    const Search search{problem, k, work, distances, ids, stream, multiprocessors};
    if (by_int8) error = search.pass(database.int8, true, !by_half);
    if (error == cudaSuccess && by_half) error = search.pass(database.half, !by_int8, true);
    if (error == cudaSuccess) error = list_flagged(work.failed, q, work.again, stream);
    if (error != cudaSuccess) return error;
    return euclidean_scan_again(problem, k, work.again, work.fallback, distances, ids, stream);
}

}  // namespace rsir::cuda
