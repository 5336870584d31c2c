#include <algorithm>

#include "kernels/cuda/allowed.cuh"
#include "kernels/cuda/by_type.cuh"
#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/marks.cuh"
#include "kernels/cuda/relevant_ranks.h"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kQueries = 8, kRows = 4;  // of a warp's tile: one pair a lane
constexpr int kMarkRows = 8, kMarkLists = 4;
constexpr std::int64_t kMostShared = 1024;  // marks a query: those of eight and their counts take 96 KiB
constexpr std::int64_t kLeastPart = 512;    // rows: less is not worth the reading of the marks
constexpr std::int64_t kRounds = 32;        // blocks for every multiprocessor, so that the last ones cost little

template <class T>
struct Sides {
    const T* queries;
    const T* database;
    std::int64_t n, d;
    Allowed allowed;
};

// One list's keys; item(mark) is that of its mark `mark`, from which the block's warps begin.
template <class T, class Item>
__device__ void measure_marks(const Sides<T>& sides, const MarkList& list, const Item& item, std::int64_t first,
                              Key* keys) {
    const T* query[1] = {sides.queries + list.query * sides.d};
    const Pair<1, kMarkRows> pair;
    for (first += static_cast<std::int64_t>(threadIdx.x) / kWarp * kMarkRows; first < list.marks;
         first += kWarps * kMarkRows) {
        const T* rows[kMarkRows];
#pragma unroll
        for (int r = 0; r < kMarkRows; ++r) {
            rows[r] = sides.database + item(min(first + r + 0LL, list.marks - 1LL)) * sides.d;
        }
        const double squared = squared_distances<1, kMarkRows, T>(query, rows, sides.d);
        const std::int64_t mark = first + pair.row;
        if (pair.leader && mark < list.marks) {
            keys[mark] = make_key(distance_bits(squared), static_cast<std::uint32_t>(item(mark)));
        }
    }
}

// The keys of the members of kLists lists that have the same: a row is read once for all of them. Keys are `capacity`
// apart.
template <int kLists, class T>
__device__ void measure_members(const Sides<T>& sides, const Marks& marks, std::int64_t index, Key* keys,
                                int capacity) {
    const T* queries[kLists];
#pragma unroll
    for (int j = 0; j < kLists; ++j) forget(queries[j] = sides.queries + marks.lists[index + j].query * sides.d);
    const std::int64_t members = marks.lists[index].members;
    const std::int64_t* const items = marks.members + marks.lists[index].first;
    const Pair<kLists, kMarkRows> pair;
    for (std::int64_t first = static_cast<std::int64_t>(threadIdx.x) / kWarp * kMarkRows; first < members;
         first += kWarps * kMarkRows) {
        const T* rows[kMarkRows];
#pragma unroll
        for (int r = 0; r < kMarkRows; ++r) {
            forget(rows[r] = sides.database + items[min(first + r + 0LL, members - 1LL)] * sides.d);
        }
        const double squared = squared_distances<kLists, kMarkRows, T>(queries, rows, sides.d);
        const std::int64_t mark = first + pair.row;
        if (mark < members) {
            keys[pair.query * capacity + mark] =
                make_key(distance_bits(squared), static_cast<std::uint32_t>(items[mark]));
        }
    }
}

// One block kLists lists. capacity: a power of two.
template <int kLists, class T>
__global__ void __launch_bounds__(kThreads, 2) mark_kernel(Sides<T> sides, Marks marks, int capacity) {
    Key* const shared = dynamic_shared<Key>();  // [kLists, capacity]
    const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kLists;
    const int lists = static_cast<int>(min(marks.count - begin + 0LL, kLists + 0LL));
    bool alike = kLists > 1 && lists == kLists;
    for (int j = 1; j < lists; ++j) {
        alike = alike && marks.lists[begin + j].first == marks.lists[begin].first &&
                marks.lists[begin + j].members == marks.lists[begin].members;
    }
    if constexpr (kLists > 1) {
        if (alike) measure_members<kLists>(sides, marks, begin, shared, capacity);
    }
    for (int j = 0; j < lists; ++j) {
        const MarkList list = marks.lists[begin + j];
        const bool sorted = list.marks <= capacity;
        Key* const mine = shared + j * capacity;
        const auto item = [&](std::int64_t mark) {
            return mark < list.members ? marks.members[list.first + mark] : marks.own[list.query];
        };
        measure_marks(sides, list, item, alike ? list.members : 0, sorted ? mine : marks.keys + list.to);
        if (!sorted) continue;
        int size = 1;
        while (size < list.marks) size *= 2;
        for (int i = static_cast<int>(list.marks + threadIdx.x); i < size; i += kThreads) mine[i] = kNoKey;
        __syncthreads();
        sort_keys(mine, size);
        for (int i = static_cast<int>(threadIdx.x); i < list.marks; i += kThreads) marks.keys[list.to + i] = mine[i];
    }
}

// What a block knows of one of its lists; read again for each tile, not kept in registers while distances are summed.
template <class T>
struct Asked {
    const T* query;
    std::int64_t to;
    int marks;
};

// A block takes eight lists and a part of the rows. counts[i] of a list: the items whose keys are below its mark i, but
// not below the one before. kShared: its marks and counts lie in shared memory, `stride` apart. top: the largest power
// of two that is no more than the marks of a list.
template <class T, bool kShared, bool kWhere>
__global__ void __launch_bounds__(kThreads, 2)
    count_kernel(Sides<T> sides, Marks marks, int stride, int top, std::uint32_t* counts) {
    constexpr int kTile = kWarps * kRows;
    Key* const shared_keys = dynamic_shared<Key>();  // [kQueries, stride]
    auto* const shared_counts = reinterpret_cast<std::uint32_t*>(shared_keys + kQueries * stride);
    __shared__ Asked<T> asked[kQueries];
    if (threadIdx.x < kQueries) {
        // Beyond the last list it is that one again, without a mark.
        const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kQueries + threadIdx.x;
        const MarkList list = marks.lists[min(index, marks.count - 1)];
        asked[threadIdx.x] = {sides.queries + list.query * sides.d, list.to,
                              index < marks.count ? static_cast<int>(list.marks) : 0};
    }
    __syncthreads();
    if (kShared) {
        for (int j = 0; j < kQueries; ++j) {
            for (int i = static_cast<int>(threadIdx.x); i < asked[j].marks; i += kThreads) {
                shared_keys[j * stride + i] = marks.keys[asked[j].to + i];
                shared_counts[j * stride + i] = 0;
            }
        }
        __syncthreads();
    }

    const Pair<kQueries, kRows> pair;
    const std::int64_t size = part_size(sides.n, gridDim.y, kTile);
    const std::int64_t first = blockIdx.y * size, last = min(first + size + 0LL, sides.n + 0LL);
    for (std::int64_t row = first + threadIdx.x / kWarp * kRows; row < last; row += kTile) {
        const unsigned allowed = kWhere ? allowed_bits(sides.allowed, row, kRows, last) : (1u << kRows) - 1;
        if (kWhere && allowed == 0) continue;  // not read; the whole warp
        const T *queries[kQueries], *rows[kRows];
        // The compiler would multiply a row's number for every element rather than keep its address.
#pragma unroll
        for (int j = 0; j < kQueries; ++j) forget(queries[j] = asked[j].query);
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
            forget(rows[r] = sides.database + min(row + r + 0LL, sides.n - 1LL) * sides.d);
        }
        const double squared = squared_distances<kQueries, kRows, T>(queries, rows, sides.d);
        const std::int64_t id = row + pair.row;
        if (id >= last || (allowed >> pair.row & 1) == 0) continue;
        const int count = asked[pair.query].marks;
        const std::int64_t from = kShared ? pair.query * stride : asked[pair.query].to;
        const int place = count_up_to((kShared ? shared_keys : marks.keys) + from, count, top,
                                      make_key(distance_bits(squared), static_cast<std::uint32_t>(id)));
        if (place < count) atomicAdd((kShared ? shared_counts : counts) + from + place, 1u);
    }
    if (!kShared) return;
    __syncthreads();
    for (int j = 0; j < kQueries; ++j) {
        for (int i = static_cast<int>(threadIdx.x); i < asked[j].marks; i += kThreads) {
            const std::uint32_t count = shared_counts[j * stride + i];
            if (count != 0) atomicAdd(counts + asked[j].to + i, count);
        }
    }
}

// One warp a list: a mark's rank is 1 more than the items below it.
__global__ void __launch_bounds__(kThreads)
    rank_kernel(Marks marks, const std::uint32_t* counts, std::int64_t* ranks, std::int64_t* self_ranks) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    if (index >= marks.count) return;
    const MarkList list = marks.lists[index];
    const std::int64_t own = marks.own == nullptr ? -1 : marks.own[list.query];
    std::int64_t below = 0;
    for (std::int64_t first = 0; first < list.marks; first += kWarp) {
        const bool there = first + lane < list.marks;
        const std::int64_t at = list.to + first + lane;
        std::int64_t sum = there ? counts[at] : 0;
        for (int step = 1; step < kWarp; step *= 2) {
            const std::int64_t before = __shfl_sync(kWholeWarp, sum, max(lane - step, 0));
            if (lane >= step) sum += before;
        }
        if (there) {
            ranks[at] = below + sum + 1;
            if (own >= 0 && (marks.keys[at] & 0xffffffffu) == static_cast<Key>(own)) {
                self_ranks[list.query] = below + sum + 1;
            }
        }
        below += __shfl_sync(kWholeWarp, sum, kWarp - 1);
    }
}

template <class T>
Sides<T> sides_of(const EuclideanProblem& problem) {
    return {static_cast<const T*>(problem.queries), static_cast<const T*>(problem.database), problem.n, problem.d,
            problem.allowed};
}

template <class T>
cudaError_t launch_marks(const EuclideanProblem& problem, const Marks& marks, cudaStream_t stream) {
    const int capacity = static_cast<int>(std::min(marks.most, kMostSortedMarks));
    int size = 1, device = 0, multiprocessors = 0;
    while (size < capacity) size *= 2;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    if (error != cudaSuccess) return error;
    // Four of the longest take 32 KiB; fewer blocks than two a multiprocessor would leave some without work.
    const bool together = marks.most <= kMostShared && marks.count >= 2LL * kMarkLists * multiprocessors;
    const int lists = together ? kMarkLists : 1;
    return launch(together ? mark_kernel<kMarkLists, T> : mark_kernel<1, T>,
                  static_cast<unsigned>((marks.count + lists - 1) / lists), kThreads, lists * size * sizeof(Key),
                  stream, sides_of<T>(problem), marks, size);
}

template <class T>
cudaError_t launch_counts(const EuclideanProblem& problem, const Marks& marks, std::uint32_t* counts,
                          cudaStream_t stream) {
    int device = 0, multiprocessors = 0, most_bytes = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&most_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    }
    if (error != cudaSuccess) return error;
    int top = 1;
    while (top <= marks.most / 2) top *= 2;
    // Rows of keys begin in different banks, so that lanes that search at the same depth of eight lists do not collide.
    const std::int64_t stride = (std::min(marks.most, kMostShared) + 15) / 16 * 16 + 2;
    const std::size_t bytes = kQueries * static_cast<std::size_t>(stride) * (sizeof(Key) + sizeof(std::uint32_t));
    const bool shared = marks.most <= kMostShared && bytes <= static_cast<std::size_t>(most_bytes);
    const std::int64_t columns = (marks.count + kQueries - 1) / kQueries;
    const std::int64_t wanted = (kRounds * multiprocessors + columns - 1) / columns;
    const dim3 grid(static_cast<unsigned>(columns), static_cast<unsigned>(std::clamp<std::int64_t>(
                                                        std::min(wanted, problem.n / kLeastPart), 1, 65535)));
    const bool where = !problem.allowed.all();
    const auto kernel = shared ? (where ? count_kernel<T, true, true> : count_kernel<T, true, false>)
                               : (where ? count_kernel<T, false, true> : count_kernel<T, false, false>);
    return launch(kernel, grid, kThreads, shared ? bytes : 0, stream, sides_of<T>(problem), marks,
                  static_cast<int>(stride), top, counts);
}

}  // namespace

cudaError_t mark_keys(const EuclideanProblem& problem, const Marks& marks, cudaStream_t stream) {
    if (marks.count == 0) return cudaSuccess;
    return by_type(problem.type, [&](auto type) { return launch_marks<decltype(type)>(problem, marks, stream); });
}

cudaError_t count_ranks(const EuclideanProblem& problem, const Marks& marks, std::uint32_t* counts, std::int64_t* ranks,
                        std::int64_t* self_ranks, cudaStream_t stream) {
    if (marks.count == 0) return cudaSuccess;
    cudaError_t error = cudaMemsetAsync(counts, 0, static_cast<std::size_t>(marks.total) * sizeof *counts, stream);
    if (error == cudaSuccess) {
        error = by_type(problem.type,
                        [&](auto type) { return launch_counts<decltype(type)>(problem, marks, counts, stream); });
    }
    return error == cudaSuccess ? sum_counts(marks, counts, ranks, self_ranks, stream) : error;
}

cudaError_t sum_counts(const Marks& marks, const std::uint32_t* counts, std::int64_t* ranks, std::int64_t* self_ranks,
                       cudaStream_t stream) {
    return launch(rank_kernel, static_cast<unsigned>((marks.count + kWarps - 1) / kWarps), kThreads, 0, stream, marks,
                  counts, ranks, self_ranks);
}

}  // namespace rsir::cuda
