#include <algorithm>

#include "kernels/cuda/allowed.cuh"
#include "kernels/cuda/by_type.cuh"
#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/digit_product.h"
#include "kernels/cuda/digits.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/marks.cuh"
#include "kernels/cuda/placed_ranks.h"
#include "kernels/cuda/slices.h"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kAtOnce = 4;                          // items of a lane
constexpr int kOpenRoom = kWarp * kAtOnce + kWarp;  // of a warp: those of one step, and fewer than are worth a flush
constexpr std::int64_t kStripElements = 1 << 27;    // distances of a strip: half a gigabyte
constexpr std::int64_t kOpenShare = 32, kLeastOpen = 1 << 16;  // room for one pair of so many
constexpr std::uint32_t kNoItem = 0xffffffffu;
constexpr int kNearMarks = 8;  // that are asked whether they are the pair itself

struct OpenPair {
    std::uint32_t list, item;
};

struct Placing {
    PlaceState* state;
    std::uint32_t* found;  // pairs of this strip that are open, with those that fill their groups
    OpenPair* open;        // [room]
    std::int64_t room;
    const std::int32_t* list_of;  // [q]: -1 where a query has none
    std::int64_t first_query, queries, n;
    const float* near;  // [queries, stride]
    std::int64_t stride;
    const float *query_windows, *item_windows;
    Allowed allowed;
    std::uint32_t* counts;
};

__global__ void __launch_bounds__(kThreads) list_kernel(Marks marks, std::int32_t* list_of) {
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (index < marks.count) list_of[marks.lists[index].query] = static_cast<std::int32_t>(index);
}

// What a warp knows of its query, in shared memory.
struct Placed {
    float* marks;           // [stride]: their distances, NaN as infinity
    std::uint32_t* counts;  // [stride]
    std::uint32_t* open;    // [kOpenRoom] items
    std::uint32_t* found;

    __device__ Placed(unsigned char* memory, std::uint32_t* all_found, int stride) {
        const int warp = static_cast<int>(threadIdx.x) / kWarp;
        marks = reinterpret_cast<float*>(memory) + warp * (2 * stride + kOpenRoom);
        counts = reinterpret_cast<std::uint32_t*>(marks + stride);
        open = counts + stride;
        found = all_found + warp;
    }

    // How many marks are below.
    __device__ int below(float distance, int count, int top) const {
        int place = 0;
        for (int step = top; step > 0; step /= 2) {
            if (place + step <= count && marks[place + step - 1] < distance) place += step;
        }
        return place;
    }

    // The whole warp: what is open goes to the list of all, if it is `least` or more.
    __device__ void flush(const Placing& placing, std::uint32_t list, std::uint32_t least) const {
        constexpr auto kGroup = static_cast<std::uint32_t>(kOpenGroup);
        const std::uint32_t lane = threadIdx.x % kWarp;
        __syncwarp();
        const std::uint32_t filled = *found, size = (filled + kGroup - 1) / kGroup * kGroup;
        __syncwarp();  // nobody adds to it before all have read it
        if (filled < least) return;
        std::uint32_t first = 0;
        if (lane == 0) first = atomicAdd(placing.found, size);
        first = __shfl_sync(kWholeWarp, first, 0);
        for (std::uint32_t i = lane; i < size; i += kWarp) {
            if (static_cast<std::int64_t>(first) + i < placing.room) {
                placing.open[first + i] = {list, i < filled ? open[i] : kNoItem};
            }
        }
        __syncwarp();
        if (lane == 0) *found = 0;
        __syncwarp();
    }
};

// One warp a query and part of the items.
template <bool kWhere>
__global__ void __launch_bounds__(kThreads)
    place_kernel(const __grid_constant__ Placing placing, Marks marks, int stride, int top) {
    __shared__ std::uint32_t all_found[kWarps];
    if (placing.state->stopped != 0) return;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    if (row >= placing.queries || placing.list_of[placing.first_query + row] < 0) return;
    const auto index = static_cast<std::uint32_t>(placing.list_of[placing.first_query + row]);
    const std::int64_t to = marks.lists[index].to;
    const int count = static_cast<int>(marks.lists[index].marks);
    const Placed mine(dynamic_shared<unsigned char>(), all_found, stride);
    for (int i = lane; i < count; i += kWarp) {
        const float distance = __uint_as_float(static_cast<std::uint32_t>(marks.keys[to + i] >> 32));
        mine.marks[i] = isnan(distance) ? __uint_as_float(kInfinity) : distance;
        mine.counts[i] = 0;
    }
    if (lane == 0) *mine.found = 0;
    __syncwarp();

    constexpr std::int64_t kStep = kWarp * kAtOnce;
    const std::int64_t size = ((placing.n + gridDim.y - 1) / gridDim.y + kStep - 1) / kStep * kStep;
    const std::int64_t first = blockIdx.y * size, last = min(first + size + 0LL, placing.n + 0LL);
    const float* const near = placing.near + row * placing.stride;
    const float window = placing.query_windows[placing.first_query + row];
    for (std::int64_t base = first; base < last; base += kStep) {
        const std::int64_t item = base + lane * kAtOnce;
        const unsigned allowed = kWhere ? allowed_bits(placing.allowed, item, kAtOnce, last) : (1u << kAtOnce) - 1;
        if (item < last && allowed != 0) {
            const auto four = *reinterpret_cast<const float4*>(near + item);
            const auto windows = *reinterpret_cast<const float4*>(placing.item_windows + item);
            const float distances[kAtOnce] = {four.x, four.y, four.z, four.w};
            const float theirs[kAtOnce] = {windows.x, windows.y, windows.z, windows.w};
#pragma unroll
            for (int e = 0; e < kAtOnce; ++e) {
                if (item + e >= last || (allowed >> e & 1) == 0) continue;
                const Interval interval(distances[e], window, theirs[e]);
                int place = mine.below(interval.low, count, top);
                if (place == count) continue;
                if (mine.marks[place] <= interval.high) {
                    const auto id = static_cast<std::uint32_t>(item + e);
                    const int end = min(place + kNearMarks, count);
                    while (place < end && mine.marks[place] <= interval.high &&
                           static_cast<std::uint32_t>(marks.keys[to + place]) != id) {
                        ++place;
                    }
                    if (place == end || mine.marks[place] > interval.high) {
                        mine.open[atomicAdd(mine.found, 1u)] = id;
                        continue;
                    }
                    if (++place == count) continue;  // this mark is not before itself
                }
                atomicAdd(mine.counts + place, 1u);
            }
        }
        mine.flush(placing, index, kWarp);
    }
    mine.flush(placing, index, 1);
    for (int i = lane; i < count; i += kWarp) {
        if (mine.counts[i] != 0) atomicAdd(placing.counts + to + i, mine.counts[i]);
    }
}

// One warp a group of open pairs, of one query.
template <class T>
__global__ void __launch_bounds__(kThreads) open_kernel(const __grid_constant__ Placing placing, Marks marks,
                                                        const T* queries, const T* database, std::int64_t d, int top) {
    constexpr int kRows = static_cast<int>(kOpenGroup);
    const std::int64_t found = *placing.found;
    if (placing.state->stopped != 0 || found > placing.room) return;
    const Pair<1, kRows> pair;
    const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * kWarps;
    for (std::int64_t group = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
         group * kRows < found; group += warps) {
        const OpenPair* const pairs = placing.open + group * kRows;
        const MarkList list = marks.lists[pairs[0].list];
        const T* query[1] = {queries + list.query * d};
        const T* rows[kRows];
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
            rows[r] = database + (pairs[r].item == kNoItem ? pairs[0].item : pairs[r].item) * d;
        }
        const double squared = squared_distances<1, kRows, T>(query, rows, d);
        const std::uint32_t item = pairs[pair.row].item;
        if (!pair.leader || item == kNoItem) continue;
        const int count = static_cast<int>(list.marks);
        const int place = count_up_to(marks.keys + list.to, count, top, make_key(distance_bits(squared), item));
        if (place < count) atomicAdd(placing.counts + list.to + place, 1u);
    }
}

// After the pairs of a strip.
__global__ void __launch_bounds__(kWarp) close_kernel(Placing placing) {
    if (threadIdx.x != 0) return;
    placing.state->open += *placing.found;
    if (*placing.found > placing.room) placing.state->stopped = 1;
    *placing.found = 0;
}

// What is made of a database, and the workspace.
struct Items {
    double* centre;
    void* digits;
};
Items items_at(Slices& memory, std::int64_t n, std::int64_t d) {
    double* const centre = memory.take<double>(d);
    return {centre, memory.take<char>(static_cast<std::int64_t>(digits_bytes(n, d)))};
}

struct Workspace {
    PlaceState* state;
    std::uint32_t* found;
    std::int32_t* list_of;
    OpenPair* open;
    float* near;
    std::int64_t stride;
    void* digits;

    Workspace(Slices& memory, std::int64_t q, std::int64_t n, std::int64_t d, const PlaceSizes& sizes) {
        state = memory.take<PlaceState>(1);
        found = memory.take<std::uint32_t>(1);
        list_of = memory.take<std::int32_t>(q);
        open = memory.take<OpenPair>(sizes.open);
        stride = (n + kDigitTile - 1) / kDigitTile * kDigitTile;
        near = memory.take<float>(sizes.strip * stride);
        digits = memory.take<char>(static_cast<std::int64_t>(digits_bytes(q, d)));
    }
};

template <class T>
cudaError_t decide(const Placing& placing, const EuclideanProblem& problem, const Marks& marks, int multiprocessors,
                   int top, cudaStream_t stream) {
    return launch(open_kernel<T>, static_cast<unsigned>(8 * multiprocessors), kThreads, 0, stream, placing, marks,
                  static_cast<const T*>(problem.queries), static_cast<const T*>(problem.database), problem.d, top);
}

}  // namespace

PlaceSizes PlaceSizes::of(std::int64_t q, std::int64_t n) {
    const std::int64_t queries = (q + kDigitTile - 1) / kDigitTile * kDigitTile;
    const std::int64_t strip = std::clamp(kStripElements / n / kDigitTile * kDigitTile, kDigitTile + 0, queries);
    return {strip, std::max(strip * n / kOpenShare, kLeastOpen) / kOpenGroup * kOpenGroup};
}

cudaError_t place_runs(bool* runs) { return digit_product_runs(runs); }

std::size_t placed_items_bytes(std::int64_t n, std::int64_t d) {
    Slices memory(nullptr);
    items_at(memory, n, d);
    return static_cast<std::size_t>(memory.used());
}

cudaError_t make_placed_items(const EuclideanProblem& problem, void* items, cudaStream_t stream) {
    Slices memory(items);
    const auto [centre, digits] = items_at(memory, problem.n, problem.d);
    const cudaError_t error = find_centre(problem.database, problem.type, problem.n, problem.d, centre, stream);
    if (error != cudaSuccess) return error;
    return make_digits(problem.database, problem.type, problem.n, problem.d, centre,
                       Digits::at(digits, problem.n, problem.d), stream);
}

std::size_t place_bytes(std::int64_t q, std::int64_t n, std::int64_t d, const PlaceSizes& sizes) {
    Slices memory(nullptr);
    const Workspace workspace(memory, q, n, d, sizes);
    return static_cast<std::size_t>(memory.used());
}

cudaError_t place_ranks(const EuclideanProblem& problem, const Marks& marks, const void* items, const PlaceSizes& sizes,
                        void* workspace, std::uint32_t* counts, std::int64_t* ranks, std::int64_t* self_ranks,
                        cudaStream_t stream) {
    if (marks.count == 0) return cudaSuccess;
    const std::int64_t q = problem.q, n = problem.n, d = problem.d;
    Slices memory(workspace), of_items(const_cast<void*>(items));
    const Workspace work(memory, q, n, d, sizes);
    const Items database = items_at(of_items, n, d);
    const Digits rows = Digits::at(database.digits, n, d), queries = Digits::at(work.digits, q, d);
    int device = 0, multiprocessors = 0;
    cudaError_t error = cudaGetDevice(&device);
    const auto then = [&error](auto&& step) {
        if (error == cudaSuccess) error = step();
    };
    then([&] { return cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device); });
    then([&] { return cudaMemsetAsync(work.state, 0, sizeof *work.state, stream); });
    then([&] { return cudaMemsetAsync(work.found, 0, sizeof *work.found, stream); });
    then([&] { return cudaMemsetAsync(work.list_of, 0xff, static_cast<std::size_t>(q) * sizeof(int), stream); });
    then([&] { return cudaMemsetAsync(counts, 0, static_cast<std::size_t>(marks.total) * sizeof *counts, stream); });
    then([&] {
        return launch(list_kernel, static_cast<unsigned>((marks.count + kThreads - 1) / kThreads), kThreads, 0, stream,
                      marks, work.list_of);
    });
    then([&] { return make_digits(problem.queries, problem.type, q, d, database.centre, queries, stream); });

    int top = 1;
    while (top <= marks.most / 2) top *= 2;
    const int stride = static_cast<int>((marks.most + kWarp - 1) / kWarp * kWarp);
    const std::size_t bytes = kWarps * static_cast<std::size_t>(2 * stride + kOpenRoom) * sizeof(float);
    const auto place = problem.allowed.all() ? place_kernel<false> : place_kernel<true>;
    for (std::int64_t first = 0; first < q; first += sizes.strip) {
        const std::int64_t some = std::min(sizes.strip, q - first), tiles = (some + kDigitTile - 1) / kDigitTile;
        const Placing placing{work.state, work.found,  work.open,      sizes.open,  work.list_of,    first, some, n,
                              work.near,  work.stride, queries.window, rows.window, problem.allowed, counts};
        const auto blocks = static_cast<unsigned>((some + kWarps - 1) / kWarps);
        // Few queries leave multiprocessors without work where each is one warp's.
        const unsigned parts = std::clamp<unsigned>(8u * static_cast<unsigned>(multiprocessors) / blocks, 1u,
                                                    static_cast<unsigned>((n + 8191) / 8192));
        then([&] {
            return multiply_digits(
                {queries, rows, first, tiles, work.stride / kDigitTile, work.near, work.stride, &work.state->stopped},
                stream);
        });
        then([&] { return launch(place, dim3(blocks, parts), kThreads, bytes, stream, placing, marks, stride, top); });
        then([&] {
            return by_type(problem.type, [&](auto type) {
                return decide<decltype(type)>(placing, problem, marks, multiprocessors, top, stream);
            });
        });
        then([&] { return launch(close_kernel, 1, kWarp, 0, stream, placing); });
    }
    then([&] { return sum_counts(marks, counts, ranks, self_ranks, stream); });
    return error;
}

}  // namespace rsir::cuda
