#include "kernels/cuda/compiled.h"
#include "kernels/cuda/hamming_pass.cuh"
#include "kernels/cuda/lanes.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matrix.cuh"

// Distances on a warp's binary matrix instructions of sm_80 to sm_89, which count the bits in which two lines differ.
// What does not count is 0 in both. Newer devices have these instructions in name only.
namespace rsir::cuda {
namespace {

// Two words of a query or item in shared memory, where those of all lines lie line after line; a step of the
// instructions takes one column or two.
struct alignas(16) Column {
    std::uint64_t words[2];
};
constexpr std::uint32_t kColumnBytes = sizeof(Column);

// Where things lie in shared memory, in columns: two tiles of items, the queries.
struct Places {
    int words, columns;

    __device__ __host__ explicit Places(int code_words) : words(code_words), columns((code_words + 1) / 2) {}
    __device__ __host__ int queries() const { return 2 * columns * kManyItems; }
    __device__ __host__ int end() const { return queries() + columns * kManyQueries; }
};

#if !defined(__CUDA_ARCH__) || (__CUDA_ARCH__ >= 800 && __CUDA_ARCH__ < 900)

// 4 x 2 warps, each 32 queries by 64 items at a time.
template <int kWords>
struct Counter {
    static constexpr int kQueries = kManyQueries, kTurns = 2, kUnrolled = 1;
    static constexpr int kWarpQueries = 32, kWarpItems = 64;
    static constexpr int kTilesM = kWarpQueries / 16, kTilesN = kWarpItems / 8, kRows = 2 * kTilesM;

    const HammingPass& pass;
    const Places places;
    const std::uint32_t base = shared_base();
    const int warp_query = static_cast<int>(threadIdx.x) / 32 % 4 * kWarpQueries;
    const int warp_item = static_cast<int>(threadIdx.x) / 128 * kWarpItems;
    int query = 0;  // of the thread's rows, the first; each is 8 further
    // Where a sum begins: less than 0 by the least distance that is above the limit's.
    std::int32_t start[kTilesM][4];

    __device__ Counter(const HammingPass& all, int words) : pass(all), places(words) {}

    __device__ void store_queries(int first_query) const {
        Column* to = dynamic_shared<Column>() + places.queries();
        each_query_word<kQueries>(pass.problem, places.words, 2 * places.columns, first_query,
                                  [to](int line, int w, std::uint64_t word, std::uint64_t mask) {
                                      to[w / 2 * kManyQueries + line].words[w % 2] = word & mask;
                                  });
    }
    __device__ void store_item(int round, int i, std::uint64_t word) const {
        forget(i);  // no address of a word is kept from tile to tile: there are no registers for them
        const int line = i / places.words, w = i % places.words;
        Column& column = dynamic_shared<Column>()[stage_of(round) + w / 2 * kManyItems + line];
        word &= mask_of(pass.problem, places.words, w);
        if (w % 2 == 0 && w + 1 == places.words) {
            column = {{word, 0}};
        } else {
            column.words[w % 2] = word;
        }
    }
    __device__ void stored() const {}
    __device__ int half_of(int turn) const { return turn; }
    __device__ int stage_of(int round) const { return round % 2 * places.columns * kManyItems; }

    __device__ void read_limits(int first_query) {
        query = first_query + warp_query + threadIdx.x % 32 / 4;
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            const std::int32_t above = -1 - worst_of(pass, query + 8 * i);
            start[i / 2][i % 2 * 2] = above;
            // The same, from another thread of that row: the compiler would keep one register for both, and copy it for
            // every product.
            start[i / 2][i % 2 * 2 + 1] = __shfl_xor_sync(kWholeWarp, above, 1);
        }
    }

    // Adds the bits that differ in kColumns columns from `column` on; kFirst: to where a sum begins, and not to `sums`.
    // Each load takes 32 lines of one column, or 16 of two, and leaves them in the registers that the products read.
    template <int kColumns, bool kFirst>
    __device__ void multiply_columns(HammingSums& sums, int round, int half, int column) const {
        constexpr int kLines = 32 / kColumns;
        int lane = static_cast<int>(threadIdx.x) % 32;
        forget(lane);  // as in store_item
        const int query_lane = kColumns == 1 ? lane : lane % 16 + lane / 16 * kManyQueries;
        const int item_lane = kColumns == 1 ? lane : lane % 8 + lane / 16 * 8 + lane / 8 % 2 * kManyItems;
        const int query_line = places.queries() + column * kManyQueries + warp_query + query_lane;
        const int item_line = stage_of(round) + column * kManyItems + half * kHalf + warp_item + item_lane;
        std::uint32_t a[kColumns][4];
#pragma unroll
        for (int c = 0; c < kColumns; ++c) load_matrices(a[c], base + (query_line + c * kLines) * kColumnBytes);
#pragma unroll
        for (int part = 0; part < kTilesN / 4; ++part) {
            std::uint32_t b[kColumns][4];
#pragma unroll
            for (int c = 0; c < kColumns; ++c) {
                load_matrices(b[c], base + (item_line + part * 32 + c * kLines) * kColumnBytes);
            }
#pragma unroll
            for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    std::int32_t (&sum)[4] = sums[i * kTilesN + part * 4 + j];
                    const std::int32_t (&begin)[4] = *(kFirst ? &start[i] : &sum);
                    if constexpr (kColumns == 1) {
                        count_different(sum, begin, {a[0][2 * i], a[0][2 * i + 1]}, b[0][j]);
                    } else {
                        count_different(sum, begin, a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
                    }
                }
            }
        }
    }

    __device__ void multiply(HammingSums& sums, int round, int half) const {
        if (places.columns == 1) {
            multiply_columns<1, true>(sums, round, half, 0);
            return;
        }
        multiply_columns<2, true>(sums, round, half, 0);
        int column = 2;
#pragma unroll 1
        for (; column + 1 < places.columns; column += 2) multiply_columns<2, false>(sums, round, half, column);
        if (column < places.columns) multiply_columns<1, false>(sums, round, half, column);
    }
    __device__ void finish(HammingSums&) const {}

    __device__ void test(const HammingSums& sums, int tile, int half) const {
        std::int32_t row[kRows] = {};  // less than 0 where a sum of it is
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
#pragma unroll
            for (int v = 0; v < 2 * kTilesN; ++v) row[i] |= sums[i / 2 * kTilesN + v / 2][i % 2 * 2 + v % 2];
        }
        if ((row[0] | row[1] | row[2] | row[3]) >= 0) return;
        int first = query;
        forget(first);  // as in store_item
        const std::int64_t item =
            static_cast<std::int64_t>(tile) * kManyItems + half * kHalf + warp_item + threadIdx.x % 4 * 2;
        const int room = static_cast<int>(min(pass.problem.n - item + 0LL, kHalf + 0LL));
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            if (row[i] >= 0) continue;
            append<kTilesN / 4>(
                pass, first + 8 * i, static_cast<std::uint32_t>(item), room,
                [&](int v) {
                    const std::int32_t sum = sums[i / 2 * kTilesN + v / 2][i % 2 * 2 + v % 2];
                    return static_cast<std::uint32_t>(sum - start[i / 2][i % 2 * 2]);
                },
                [](int) { return true; });
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

cudaError_t hamming_sm80_runs(bool* runs) { return compiled_for(pass_kernel<1>, 80, 90, runs); }

cudaError_t hamming_pass_sm80(const HammingPass& pass, cudaStream_t stream) {
    const auto bytes = static_cast<std::size_t>(Places(pass.problem.words).end()) * kColumnBytes;
    return launch_pass(pass, kManyQueries, [&](auto words, int query_tiles, int slices) {
        // Blocks of one slice of the database are neighbours, so that it is read from memory once.
        return launch(pass_kernel<words()>, static_cast<unsigned>(query_tiles * slices), kPassThreads, bytes, stream,
                      pass, query_tiles, slices);
    });
}

}  // namespace rsir::cuda
