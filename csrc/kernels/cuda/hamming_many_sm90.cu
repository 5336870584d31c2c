#include "kernels/cuda/hamming_pass.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/warpgroup.cuh"

// Distances on the binary warpgroup instructions of sm_90a, which count the bits that two lines have in common. A word
// x is a line's column [x, ~x], so that a query's and an item's have 64 - (their distance) bits in common; what does
// not count is 0 in the query's.
//
// Codes of one word leave half of a line empty. There the items have nothing but ones and each query as many as bring
// the sum of its farthest key to kHit: then a sum is a key's if it has that bit, sums can be tested together, and two
// of them in one register.
namespace rsir::cuda {
namespace {

constexpr int kFewQueries = 64;  // up to which both warpgroups of a block have the same, and a half of each tile

// Of a query or item in shared memory, where those of one word lie line after line.
struct alignas(16) Column {
    std::uint64_t word, complement;
};
constexpr std::uint32_t kColumnBytes = sizeof(Column);

// Where things lie in shared memory, in columns: two tiles of items, the queries, and `rest`, which is read after the
// last word of an odd number: ones of the items of one word; else never written, as the queries' columns are 0.
struct Places {
    int block_queries, words, steps;  // a step of the instructions takes two words

    __device__ __host__ Places(int queries_of_block, int code_words)
        : block_queries(queries_of_block), words(code_words), steps((code_words + 1) / 2) {}
    __device__ __host__ int queries() const { return 2 * words * kManyItems; }
    __device__ __host__ int rest() const { return queries() + 2 * steps * block_queries; }
    __device__ __host__ int end() const { return rest() + (words % 2 == 0 ? 0 : kHalf); }
};

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// Two warpgroups, each 64 queries by kHalf items at a time.
template <int kWords, int kBlockQueries>
struct Counter {
    static constexpr int kQueries = kBlockQueries, kTurns = kQueries / kFewQueries;
    static constexpr int kParts = 4, kPart = 8;  // of a query's sums
    static constexpr bool kBiased = kWords == 1;
    static constexpr int kUnrolled = kBiased ? 2 : 1;  // a sixth of the instructions beside the products of one word
    // 64 bits in common, and 128 at the most to bring them here: a sum is less than twice this, and one of a query that
    // wants none less than this.
    static constexpr std::int32_t kHit = 1 << 7;

    const HammingPass& pass;
    const Places places;
    const std::uint32_t base = shared_base();
    const int group = static_cast<int>(threadIdx.x) / 128;
    std::int64_t query = 0;    // of the thread's rows, the first; the second is 8 further
    std::int32_t farthest[2];  // distance of a key
    int first_items = 0;       // the lower half of a description: of one word
    int above = 2 * kHit;      // the place of another sum in a register

    __device__ Counter(const HammingPass& all, int words) : pass(all), places(kQueries, words) {
        if constexpr (kBiased) {
            first_items = static_cast<int>(describe_columns(base, places.rest() * kColumnBytes));
            if constexpr (kTurns == 1) first_items += next_items(group * kHalf);
            forget(first_items);
            forget(above);  // else the compiler shifts, which takes the units that the test is short of
        }
    }

    __device__ static std::uint64_t first_bits(int count) {
        return count >= 64 ? ~std::uint64_t{0} : count <= 0 ? 0 : (std::uint64_t{1} << count) - 1;
    }
    __device__ void store_queries(int first_query) const {
        Column* const columns = dynamic_shared<Column>();
        Column* to = columns + places.queries();
        each_query_word<kQueries>(pass.problem, places.words, 2 * places.steps, first_query,
                                  [this, to, first_query](int line, int w, std::uint64_t word, std::uint64_t mask) {
                                      Column column = {word & mask, ~word & mask};
                                      if (kBiased && w == 1) {
                                          const int ones = kHit - (pass.counted - worst_of(pass, first_query + line));
                                          column = {first_bits(ones), first_bits(ones - 64)};
                                      }
                                      to[w * kQueries + line] = column;
                                  });
        if (kBiased && threadIdx.x < kHalf) {
            columns[places.rest() + threadIdx.x] = {~std::uint64_t{0}, ~std::uint64_t{0}};
        }
    }
    __device__ void store_item(int round, int i, std::uint64_t word) const {
        const int line = i / places.words, w = i % places.words;
        dynamic_shared<Column>()[stage_of(round) + w * kManyItems + line] = {word, ~word};
    }
    __device__ void stored() const { see_copies(); }
    __device__ int stage_of(int round) const { return round % 2 * places.words * kManyItems; }
    __device__ int half_of(int turn) const { return kTurns == 1 ? group : turn; }

    __device__ void read_limits(int first_query) {
        query = first_query + threadIdx.x % (kQueries * 2) / 32 * 16 + threadIdx.x % 32 / 4;
#pragma unroll
        for (int i = 0; i < 2; ++i) farthest[i] = worst_of(pass, query + 8 * i);
    }

    // What the lower half of a description of items changes by, so many columns further: the second column of their
    // lines stays, and is so much nearer.
    __device__ static int next_items(int columns) { return columns * (1 - (1 << 16)); }
    // The query's and the items' columns of a step.
    __device__ std::uint64_t queries_at(int step) const {
        constexpr std::uint32_t kNext = kQueries * kColumnBytes;
        const int first = places.queries() + (kTurns == 1 ? 0 : group * kFewQueries);
        return describe_columns(base + first * kColumnBytes + step * 2 * kNext, kNext);
    }
    __device__ std::uint64_t items_at(int round, int half, int step) const {
        if constexpr (kBiased) {
            const int columns = stage_of(round) + (kTurns == 1 ? 0 : half * kHalf);
            const std::uint64_t upper = describe_columns(base, kColumnBytes) >> 32 << 32;
            return upper | static_cast<std::uint32_t>(first_items + next_items(columns));
        }
        constexpr std::uint32_t kNext = kManyItems * kColumnBytes;
        const std::uint32_t from = base + (stage_of(round) + half * kHalf) * kColumnBytes + step * 2 * kNext;
        const std::uint32_t rest = base + places.rest() * kColumnBytes;
        return describe_columns(from, 2 * step + 1 < places.words ? kNext : rest - from);
    }
    // Bits in common of this warpgroup's queries and one half of a tile.
    __device__ void multiply(HammingSums& sums, int round, int half) const {
        begin_products();
        count_common<false>(sums, queries_at(0), items_at(round, half, 0));
#pragma unroll kWords == 0 ? 1 : (kWords + 1) / 2
        for (int step = 1; step < places.steps; ++step) {
            if constexpr (kWords == 0) begin_products();  // the compiler asks for it in a loop
            count_common<true>(sums, queries_at(step), items_at(round, half, step));
        }
        commit_products();
    }
    __device__ void finish(HammingSums& sums) const { wait_counts(sums); }

    // Of sums, what tells whether there is a key among them; and whether there is.
    __device__ static std::int32_t both(std::int32_t a, std::int32_t b) { return kBiased ? a | b : max(a, b); }
    __device__ bool has_key(std::int32_t of_sums, int i) const {
        return kBiased ? (of_sums & kHit) != 0 : of_sums >= pass.counted - farthest[i];
    }
    // Whether there is a key among all sums of one word: every fourth goes above another, which takes other units.
    __device__ bool has_key(const HammingSums& sums) const {
        std::int32_t all[2] = {};  // no instruction waits for the one before it
#pragma unroll
        for (int j = 0; j < 16; ++j) all[j % 2] |= (sums[j][0] * above + sums[j][1]) | sums[j][2] | sums[j][3];
        return ((all[0] | all[1]) & (kHit | kHit * 2 * kHit)) != 0;
    }

    __device__ void test(const HammingSums& sums, int tile, int half) const {
        if constexpr (kBiased) {
            if (!has_key(sums)) return;
        }
        std::int32_t parts[2][kParts], row[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
#pragma unroll
            for (int part = 0; part < kParts; ++part) {
                parts[i][part] = sums[part * kPart / 2][2 * i];
#pragma unroll
                for (int v = 1; v < kPart; ++v) {
                    parts[i][part] = both(parts[i][part], sums[part * kPart / 2 + v / 2][2 * i + v % 2]);
                }
            }
            row[i] = both(both(parts[i][0], parts[i][1]), both(parts[i][2], parts[i][3]));
        }
        if (!has_key(row[0], 0) && !has_key(row[1], 1)) return;
        const std::int64_t item = static_cast<std::int64_t>(tile) * kManyItems + half * kHalf + threadIdx.x % 4 * 2;
        const int room = static_cast<int>(min(pass.problem.n - item + 0LL, kHalf + 0LL));
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            if (!has_key(row[i], i)) continue;
            const std::int32_t most = kBiased ? farthest[i] + kHit : pass.counted;  // sum of distance 0
            append<kParts>(
                pass, query + 8 * i, static_cast<std::uint32_t>(item), room,
                [&](int v) { return static_cast<std::uint32_t>(most - sums[v / 2][2 * i + v % 2]); },
                [&](int part) { return has_key(parts[i][part], i); });
        }
    }
};

template <int kWords, int kQueries>
__global__ void __launch_bounds__(kPassThreads, 2)
    pass_kernel(const __grid_constant__ HammingPass pass, int query_tiles, int slices) {
    visit_tiles<kWords, Counter<kWords, kQueries>>(pass, query_tiles, slices);
}

#else

template <int kWords, int kQueries>
__global__ void pass_kernel(const __grid_constant__ HammingPass, int, int) {}

#endif

template <int kQueries>
cudaError_t pass_of(const HammingPass& pass, cudaStream_t stream) {
    const auto bytes = static_cast<std::size_t>(Places(kQueries, pass.problem.words).end()) * kColumnBytes;
    return launch_pass(pass, kQueries, [&](auto words, int query_tiles, int slices) {
        // Blocks of one slice of the database are neighbours, so that it is read from memory once.
        return launch(pass_kernel<words(), kQueries>, static_cast<unsigned>(query_tiles * slices), kPassThreads, bytes,
                      stream, pass, query_tiles, slices);
    });
}

}  // namespace

cudaError_t hamming_pass_sm90(const HammingPass& pass, cudaStream_t stream) {
    return pass.problem.q <= kFewQueries ? pass_of<kFewQueries>(pass, stream) : pass_of<kManyQueries>(pass, stream);
}

}  // namespace rsir::cuda
