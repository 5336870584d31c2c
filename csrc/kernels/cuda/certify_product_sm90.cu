#include "kernels/cuda/certify_product.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/warpgroup.cuh"

// The product on the warpgroup instructions of sm_90a: both operands come from shared memory.
namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;  // two warpgroups, each 64 queries by 256 items
constexpr int kStages = 4;

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr int kTilesN = static_cast<int>(kItemTile) / 8;

template <bool kKeepAll>
__global__ void __launch_bounds__(kThreads, 1)
    product_kernel(const __grid_constant__ Product product, int query_tiles) {
    const int lane = threadIdx.x % 32, group = threadIdx.x / 128;
    const std::uint32_t base = shared_base();
    const BlockTile tile(product, query_tiles, base);
    if (nothing_wanted(product, tile.first_row()) || nothing_allowed(product, tile.first_item())) return;
    __shared__ ItemTerms terms;
    __shared__ int counts[kQueryTile];
    const Hits<kStages> hits{dynamic_shared<Key>(), counts};
    terms.load(product, tile.first_item());
    hits.clear();
#pragma unroll
    for (int round = 0; round < kStages - 2; ++round) tile.copy_stage<kStages>(round);

    float sums[kTilesN][4] = {};
    for (int round = 0; round < tile.rounds; ++round) {
        wait_copies<kStages - 3>();
        see_copies();
        __syncthreads();
        const std::uint32_t stage = base + round % kStages * kStageBytes;
        const std::uint64_t a = describe(stage + group * 64 * kLineBytes);
        const std::uint64_t b = describe(stage + static_cast<int>(kQueryTile) * kLineBytes);
        begin_products();
#pragma unroll
        for (int part = 0; part < static_cast<int>(kDepthTile) / 16; ++part) {
            multiply_add(sums, a + 2 * part, b + 2 * part);  // 32 bytes on
        }
        commit_products();
        // The round before the last one is done in both groups since the barrier: its stage is free.
        wait_products<1>();
        tile.copy_stage<kStages>(round + kStages - 2);
    }
    wait_sums(sums);

    const int row = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4, column = lane % 4 * 2;
    const RowTest queries[2] = {{product, tile.first_row() + row}, {product, tile.first_row() + row + 8}};
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
            keep_order();  // one column's terms at a time: there are no registers for more
        }
    }
}

#else

template <bool kKeepAll>
__global__ void product_kernel(const __grid_constant__ Product, int) {}

#endif

}  // namespace

cudaError_t multiply_sm90(const Product& product, cudaStream_t stream) {
    const auto query_tiles = static_cast<int>((product.q + kQueryTile - 1) / kQueryTile);
    // Blocks of one database tile are neighbours, so that it is read from memory once.
    const auto kernel = product.keep_all ? product_kernel<true> : product_kernel<false>;
    return launch(kernel, static_cast<unsigned>(product.count * query_tiles), kThreads, kStages * kStageBytes, stream,
                  product, query_tiles);
}

}  // namespace rsir::cuda
