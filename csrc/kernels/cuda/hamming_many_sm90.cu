#include "kernels/cuda/hamming_pass.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/warpgroup.cuh"

// Distances on the binary warpgroup instructions of sm_90a, which count the bits that two lines have in common. A word
// x is a line's column [x, ~x], so that a query's and an item's have 64 - (their distance) bits in common; what does
// not count is 0 in the query's.
namespace rsir::cuda {
namespace {

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

// Two warpgroups, each 64 queries by kHalf items at a time.
template <int kWords>
struct Counter {
    static constexpr int kParts = 4, kPart = 8;  // of a query's sums

    const HammingPass& pass;
    const Places places;
    const std::uint32_t base = shared_base();
    std::int64_t query = 0;  // of the thread's rows, the first; the second is 8 further
    std::int32_t least[2];   // that a sum is where the distance is at most the limit's

    __device__ Counter(const HammingPass& all, int words) : pass(all), places(words) {}

    __device__ void store_queries(int first_query) const {
        Column* to = dynamic_shared<Column>() + places.queries();
        each_query_word(pass.problem, places.words, 2 * places.steps, first_query,
                        [to](int line, int w, std::uint64_t word, std::uint64_t mask) {
                            to[w * kManyQueries + line] = {word & mask, ~word & mask};
                        });
    }
    __device__ void store_item(int round, int i, std::uint64_t word) const {
        const int line = i / places.words, w = i % places.words;
        dynamic_shared<Column>()[stage_of(round) + w * kManyItems + line] = {word, ~word};
    }
    __device__ void stored() const { see_copies(); }
    __device__ int stage_of(int round) const { return round % 2 * places.words * kManyItems; }

    __device__ void read_limits(int first_query) {
        query = first_query + threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;
#pragma unroll
        for (int i = 0; i < 2; ++i) least[i] = pass.counted - worst_of(pass, query + 8 * i);
    }

    // Bits in common of this warpgroup's queries and one half of a tile.
    __device__ void multiply(HammingSums& sums, int round, int half) const {
        const std::uint32_t line = base + places.queries() * kColumnBytes + threadIdx.x / 128 * 64 * kColumnBytes;
        const std::uint32_t item = base + (stage_of(round) + half * kHalf) * kColumnBytes;
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
    __device__ void finish(HammingSums& sums) const { wait_counts(sums); }

    __device__ void test(const HammingSums& sums, int tile, int half) const {
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
        if (row[0] < least[0] && row[1] < least[1]) return;
        const std::int64_t item = static_cast<std::int64_t>(tile) * kManyItems + half * kHalf + threadIdx.x % 4 * 2;
        const int room = static_cast<int>(min(pass.problem.n - item + 0LL, kHalf + 0LL));
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            if (row[i] < least[i]) continue;
            append<kParts>(
                pass, query + 8 * i, static_cast<std::uint32_t>(item), room,
                [&](int v) { return static_cast<std::uint32_t>(pass.counted - sums[v / 2][2 * i + v % 2]); },
                [&](int part) { return most[i][part] >= least[i]; });
        }
    }
};

template <int kWords>
__global__ void __launch_bounds__(kPassThreads, 2)
    pass_kernel(const __grid_constant__ HammingPass pass, int query_tiles, int slices) {
    visit_tiles<kWords, Counter<kWords>>(pass, query_tiles, slices);
}

#else

template <int kWords>
__global__ void pass_kernel(const __grid_constant__ HammingPass, int, int) {}

#endif

}  // namespace

cudaError_t hamming_pass_sm90(const HammingPass& pass, cudaStream_t stream) {
    const auto bytes = static_cast<std::size_t>(Places(pass.problem.words).end()) * kColumnBytes;
    return launch_pass(pass, [&](auto words, int query_tiles, int slices) {
        // Blocks of one slice of the database are neighbours, so that it is read from memory once.
        return launch(pass_kernel<words()>, static_cast<unsigned>(query_tiles * slices), kPassThreads, bytes, stream,
                      pass, query_tiles, slices);
    });
}

}  // namespace rsir::cuda
