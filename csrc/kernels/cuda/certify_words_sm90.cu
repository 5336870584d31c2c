#include "kernels/cuda/certify_product.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/warpgroup.cuh"

// The product of int8 copies with several queries in two words, on the warpgroup instructions of sm_90a. Both words of
// up to 64 queries fill the lines that 128 queries of halves do; each of two warpgroups multiplies both by a half of
// the items. Reading is what costs.
namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kStages = 4;
constexpr int kQueries = static_cast<int>(kMostWords);
static_assert(2 * kQueries == kQueryTile);

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr int kGroupItems = static_cast<int>(kItemTile) / 2, kTilesN = kGroupItems / 8;
constexpr int kStep = 32;  // codes that an instruction multiplies

using Sums = std::int32_t[kTilesN][4];

// A block's copies to shared memory, a round being kLineBytes of each line: of the queries h, then l, then the items.
struct WordCopies {
    std::int64_t width;
    int rounds;
    std::uint32_t copy_to;
    const std::int8_t *row_from, *item_from;

    __device__ WordCopies(const Product& product, const BlockTile& tile, std::uint32_t base)
        : width(product.database.width),
          rounds(static_cast<int>((width + kLineBytes - 1) / kLineBytes)),
          copy_to(tile.copy_to - base) {
        const int line = static_cast<int>(threadIdx.x) / 8, chunk = static_cast<int>(threadIdx.x) % 8;
        row_from = static_cast<const std::int8_t*>(product.queries.values) + 2 * line * width + chunk * 16;
        item_from =
            static_cast<const std::int8_t*>(product.database.values) + (tile.first_item() + line) * width + chunk * 16;
    }

    // As BlockTile::copy_stage. The last round may be half of one: there the queries have 0, whatever the items have.
    __device__ void copy_stage(int round, std::uint32_t base) const {
        constexpr int kLines = kThreads / 8, kRowLines = static_cast<int>(kQueryTile);
        if (round < rounds) {
            const std::uint32_t to = copy_to + round % kStages * kStageBytes;
            const std::int64_t first = static_cast<std::int64_t>(round) * kLineBytes;
            const bool inside = first + threadIdx.x % 8 * 16 < width;
#pragma unroll
            for (int i = 0; i < kRowLines / kLines; ++i) {
                constexpr int kWord = kQueries / kLines;  // turns for a word of all queries
                const std::uint32_t place = to + i * kLines * kLineBytes;
                if (inside) {
                    copy_chunk(base + place, row_from + (i % kWord * kLines * 2 + i / kWord) * width + first);
                } else {
                    *reinterpret_cast<int4*>(dynamic_shared<unsigned char>() + place) = int4{};
                }
            }
#pragma unroll
            for (int i = 0; inside && i < static_cast<int>(kItemTile) / kLines; ++i) {
                copy_chunk(base + to + (kRowLines + i * kLines) * kLineBytes, item_from + i * kLines * width + first);
            }
        }
        commit_copies();
    }
};

template <bool kKeepAll>
__global__ void __launch_bounds__(kThreads, 1) words_kernel(const __grid_constant__ Product product) {
    const int lane = threadIdx.x % 32, group = threadIdx.x / 128;
    const std::uint32_t base = shared_base();
    const BlockTile tile(product, 1, base);
    if (nothing_wanted(product, 0) || nothing_allowed(product, tile.first_item())) return;
    __shared__ ItemTerms terms;
    __shared__ int counts[kQueryTile];
    const Hits<kStages> hits{dynamic_shared<Key>(), counts};
    terms.load(product, tile.first_item());
    hits.clear();
    const WordCopies copies(product, tile, base);
#pragma unroll
    for (int round = 0; round < kStages - 2; ++round) copies.copy_stage(round, base);

    Sums high, low;
    for (int round = 0; round < copies.rounds; ++round) {
        wait_copies<kStages - 3>();
        see_copies();
        __syncthreads();
        const std::uint32_t stage = base + round % kStages * kStageBytes;
        const std::uint64_t h = describe(stage), l = describe(stage + kQueries * kLineBytes);
        const std::uint64_t items = describe(stage + (static_cast<int>(kQueryTile) + group * kGroupItems) * kLineBytes);
        begin_products();
#pragma unroll
        for (int part = 0; part < kLineBytes / kStep; ++part) {
            constexpr int kNext = kStep / 16;
            multiply_add(high, h + part * kNext, items + part * kNext, round + part > 0);
            multiply_add(low, l + part * kNext, items + part * kNext, round + part > 0);
        }
        commit_products();
        // The round before the last one is done in both groups since the barrier: its stage is free.
        wait_products<1>();
        copies.copy_stage(round + kStages - 2, base);
    }
    wait_counts(high);
    wait_counts(low);

    float sums[kTilesN][4];
#pragma unroll
    for (int j = 0; j < kTilesN; ++j) {
#pragma unroll
        for (int v = 0; v < 4; ++v) sums[j][v] = sum_of_words(high[j][v], low[j][v]);
    }
    const int row = static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane / 4;
    const int column = group * kGroupItems + lane % 4 * 2;
    const RowTest queries[2] = {{product, row}, {product, row + 8}};
    if constexpr (!kKeepAll) {
        const float residual = terms.largest_residual();
        const RowScreen screens[2] = {{queries[0], residual}, {queries[1], residual}};
        hits.gather(product, tile, terms, [&](int first, int end) {
            return screen_columns<2, kTilesN>(terms, hits, screens, {row, row + 8}, column, first, end,
                                              [&](int i, int j, int e) { return sums[j][2 * i + e]; });
        });
    } else {
#pragma unroll
        for (int j = 0; j < kTilesN; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
#pragma unroll
                for (int i = 0; i < 2; ++i)
                    keep(queries[i], product, tile, terms, sums[j][2 * i + e], column + j * 8 + e);
            }
            keep_order();  // one column's terms at a time, as of halves
        }
    }
}

#else

template <bool kKeepAll>
__global__ void words_kernel(const __grid_constant__ Product) {}

#endif

}  // namespace

cudaError_t multiply_words(const Product& product, cudaStream_t stream) {
    const auto kernel = product.keep_all ? words_kernel<true> : words_kernel<false>;
    return launch(kernel, static_cast<unsigned>(product.count), kThreads, kStages * kStageBytes, stream, product);
}

}  // namespace rsir::cuda
