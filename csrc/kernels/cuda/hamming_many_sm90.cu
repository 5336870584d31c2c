#include <algorithm>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/hamming.cuh"
#include "kernels/cuda/select.cuh"
#include "kernels/cuda/warpgroup.cuh"

// Distances on the binary warpgroup instructions of sm_90a, which count the bits that two lines have in common. A word
// x is a line's column [x, ~x], so that a query's and an item's have 64 - (their distance) bits in common; what does
// not count is 0 in the query's.
namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;  // two warpgroups, each 64 queries by kHalf items at a time
constexpr int kHalf = 128;

// Of a query or item in shared memory, where those of one word lie line after line.
struct alignas(16) Column {
    std::uint64_t word, complement;
};
constexpr std::uint32_t kColumnBytes = sizeof(Column);

// Where things lie in shared memory, in columns: two tiles of items, the queries, and `blank`, never written: it is
// read where a query's columns are 0.
struct Places {
    int words, steps;  // a step of the instructions takes two words

    __device__ __host__ explicit Places(int code_words) : words(code_words), steps((code_words + 1) / 2) {}
    __device__ __host__ int queries() const { return 2 * words * kManyItems; }
    __device__ __host__ int blank() const { return queries() + 2 * steps * kManyQueries; }
    __device__ __host__ int end() const { return blank() + (words % 2 == 0 ? 0 : kHalf); }
};

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr std::int32_t kNever = 0x7fffffff;  // more than any sum

// Tiles of the walk that one block visits: the current one.
struct Visit {
    int tile, advance, tiles;

    __device__ Visit(const HammingPass& pass, int slice, int slices) : tiles(pass.tiles) {
        tile = static_cast<int>((static_cast<std::int64_t>(pass.first) + slice) * pass.stride % tiles);
        advance = static_cast<int>(static_cast<std::int64_t>(slices) * pass.stride % tiles);
    }
    __device__ void next() {
        tile += advance;
        if (tile >= tiles) tile -= tiles;
    }
};

__device__ int stage_of(const Places& places, int round) { return round % 2 * places.words * kManyItems; }

__device__ void store_queries(const HammingProblem& problem, const Places& places, int first_query) {
    Column* to = dynamic_shared<Column>() + places.queries();
    for (int i = static_cast<int>(threadIdx.x); i < 2 * places.steps * kManyQueries; i += kThreads) {
        const int line = i % kManyQueries, w = i / kManyQueries;
        const std::int64_t query = min(first_query + line + 0LL, problem.q - 1LL);
        const std::uint64_t word = w < places.words ? problem.queries[query * places.words + w] : 0;
        const std::uint64_t mask = w >= places.words ? 0 : w == places.words - 1 ? problem.mask : ~std::uint64_t{0};
        to[i] = {word & mask, ~word & mask};
    }
}

// One thread's words of a tile: every kThreads-th. Words beyond the database are its last again.
__device__ std::uint64_t load_item(const HammingProblem& problem, int words, int tile, int i) {
    const std::int64_t at = static_cast<std::int64_t>(tile) * kManyItems * words + i;
    return load_word(problem.database + min(at + 0LL, problem.n * words - 1LL));
}
__device__ void store_item(const Places& places, int round, int i, std::uint64_t word) {
    const int line = i / places.words, w = i % places.words;
    dynamic_shared<Column>()[stage_of(places, round) + w * kManyItems + line] = {word, ~word};
}

// Bits in common of this warpgroup's queries and one half of a tile.
template <int kWords>
__device__ void multiply(std::int32_t (&sums)[kHalf / 8][4], const Places& places, std::uint32_t base, int round,
                         int half) {
    const std::uint32_t line = base + places.queries() * kColumnBytes + threadIdx.x / 128 * 64 * kColumnBytes;
    const std::uint32_t item = base + (stage_of(places, round) + half * kHalf) * kColumnBytes;
    const std::uint32_t blank = base + places.blank() * kColumnBytes;
    const auto a = [&](int step) {
        constexpr std::uint32_t kNext = kManyQueries * kColumnBytes;
        return describe_columns(line + step * 2 * kNext, kNext);
    };
    const auto b = [&](int step) {
        constexpr std::uint32_t kNext = kManyItems * kColumnBytes;
        const std::uint32_t from = item + step * 2 * kNext;
        return describe_columns(from, 2 * step + 1 < places.words ? kNext : blank - from);
    };
    begin_products();
    count_common<false>(sums, a(0), b(0));
#pragma unroll kWords == 0 ? 1 : (kWords + 1) / 2
    for (int step = 1; step < places.steps; ++step) {
        if constexpr (kWords == 0) begin_products();  // the compiler asks for it in a loop
        count_common<true>(sums, a(step), b(step));
    }
    commit_products();
}

// Appends the keys of one query's row of the product that are below its limit; `room`: items from the thread's first
// on.
template <int kParts, int kPart>
__device__ void append(const HammingPass& pass, std::int64_t query, const std::int32_t (&sums)[kHalf / 8][4], int upper,
                       const std::int32_t (&most)[kParts], std::int32_t least, std::uint32_t first_item, int room) {
    const Key limit = pass.limits[query];
    const auto key_of = [&](int i) {
        const std::int32_t sum = sums[i / 2][2 * upper + i % 2];
        return make_key(static_cast<std::uint32_t>(pass.counted - sum), first_item + i / 2 * 8 + i % 2);
    };
    unsigned hits = 0;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
        if (most[part] < least) continue;
#pragma unroll
        for (int i = part * kPart; i < (part + 1) * kPart; ++i) {
            if (key_of(i) < limit && i / 2 * 8 + i % 2 < room) hits |= 1u << i;
        }
    }
    if (hits == 0) return;
    // One for all, as the first phase keeps every item; unsigned, as there may be more than 2^31 of them.
    auto place = static_cast<std::uint32_t>(atomicAdd(pass.counts + query, __popcll(hits)));
    Key* keys = pass.keys + query * pass.kept;
#pragma unroll
    for (int i = 0; i < kParts * kPart; ++i) {
        if ((hits >> i & 1) == 0) continue;
        if (place < pass.kept) keys[place] = key_of(i);
        ++place;
    }
}

// Two blocks share a multiprocessor: one tests while the other multiplies. kWords: words a code where known at compile
// time, else 0.
template <int kWords>
__global__ void __launch_bounds__(kThreads, 2)
    pass_kernel(const __grid_constant__ HammingPass pass, int query_tiles, int slices) {
    constexpr int kColumns = kHalf / 8, kParts = 4, kPart = 2 * kColumns / kParts;
    const HammingProblem& problem = pass.problem;
    const Places places(kWords == 0 ? problem.words : kWords);
    const int slice = static_cast<int>(blockIdx.x) / query_tiles;
    const int first_query = static_cast<int>(blockIdx.x) % query_tiles * kManyQueries;
    const int rounds = (pass.count - slice + slices - 1) / slices;
    const int lane = threadIdx.x % 32;
    const std::uint32_t base = shared_base();
    Visit visit(pass, slice, slices), ahead = visit;

    // A tile's words are on their way to registers while the one before is worked on.
    std::uint64_t item[kWords == 0 ? 1 : kWords];
    const auto load = [&] {
#pragma unroll
        for (int w = 0; w < kWords; ++w) {
            item[w] = load_item(problem, kWords, ahead.tile, w * kThreads + static_cast<int>(threadIdx.x));
        }
    };
    const auto store = [&](int round) {
        if constexpr (kWords == 0) {
#pragma unroll 4
            for (int w = 0; w < places.words; ++w) {
                const int i = w * kThreads + static_cast<int>(threadIdx.x);
                store_item(places, round, i, load_item(problem, places.words, ahead.tile, i));
            }
        } else {
#pragma unroll
            for (int w = 0; w < kWords; ++w) {
                store_item(places, round, w * kThreads + static_cast<int>(threadIdx.x), item[w]);
            }
        }
        see_copies();  // before the next load, for which it would wait
    };
    load();
    store_queries(problem, places, first_query);
    store(0);
    ahead.next();
    if (rounds > 1) load();

    // A sum is at least `least` where the distance is at most the limit's.
    const std::int64_t query = first_query + threadIdx.x / 32 * 16 + lane / 4;
    std::int32_t least[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const bool inside = query + 8 * i < problem.q;
        const Key limit = inside ? pass.limits[query + 8 * i] : 0;
        const int worst = min(static_cast<long long>(limit >> 32), pass.counted + 0LL);
        least[i] = inside ? pass.counted - worst : kNever;
    }
    for (int round = 0; round < rounds; ++round) {
        __syncthreads();  // this tile is there, and the products with the one before are done
#pragma unroll 1
        for (int half = 0; half < kManyItems / kHalf; ++half) {
            std::int32_t sums[kColumns][4];
            multiply<kWords>(sums, places, base, round, half);
            if (half == 0 && round + 1 < rounds) {
                store(round + 1);
                ahead.next();
                if (round + 2 < rounds) load();
            }
            wait_counts(sums);
            std::int32_t most[2][kParts], row[2];
#pragma unroll
            for (int i = 0; i < 2; ++i) {
#pragma unroll
                for (int part = 0; part < kParts; ++part) {
                    most[i][part] = sums[part * kPart / 2][2 * i];
#pragma unroll
                    for (int v = 1; v < kPart; ++v) {
                        most[i][part] = max(most[i][part], sums[part * kPart / 2 + v / 2][2 * i + v % 2]);
                    }
                }
                row[i] = max(max(most[i][0], most[i][1]), max(most[i][2], most[i][3]));
            }
            if (row[0] >= least[0] || row[1] >= least[1]) {
                const std::int64_t item =
                    static_cast<std::int64_t>(visit.tile) * kManyItems + half * kHalf + lane % 4 * 2;
                const int room = static_cast<int>(min(problem.n - item + 0LL, kHalf + 0LL));
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    if (row[i] < least[i]) continue;
                    append<kParts, kPart>(pass, query + 8 * i, sums, i, most[i], least[i],
                                          static_cast<std::uint32_t>(item), room);
                }
            }
            __syncwarp();  // the whole warp comes to the next product
        }
        visit.next();
    }
}

#else

template <int kWords>
__global__ void pass_kernel(const __grid_constant__ HammingPass, int, int) {}

#endif

template <int kWords>
cudaError_t launch_pass(const HammingPass& pass, int query_tiles, int slices, cudaStream_t stream) {
    const auto bytes = static_cast<std::size_t>(Places(pass.problem.words).end()) * kColumnBytes;
    // Blocks of one slice of the database are neighbours, so that it is read from memory once.
    return launch(pass_kernel<kWords>, static_cast<unsigned>(query_tiles * slices), kThreads, bytes, stream, pass,
                  query_tiles, slices);
}

}  // namespace

cudaError_t hamming_pass_sm90(const HammingPass& pass, cudaStream_t stream) {
    int device = 0, multiprocessors = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    if (error != cudaSuccess) return error;
    const auto query_tiles = static_cast<int>((pass.problem.q + kManyQueries - 1) / kManyQueries);
    const int slices = std::clamp(2 * multiprocessors / query_tiles, 1, pass.count);
    switch (pass.problem.words) {
        case 1:
            return launch_pass<1>(pass, query_tiles, slices, stream);
        case 2:
            return launch_pass<2>(pass, query_tiles, slices, stream);
        case 3:
            return launch_pass<3>(pass, query_tiles, slices, stream);
        case 4:
            return launch_pass<4>(pass, query_tiles, slices, stream);
        default:
            return launch_pass<0>(pass, query_tiles, slices, stream);
    }
}

}  // namespace rsir::cuda
