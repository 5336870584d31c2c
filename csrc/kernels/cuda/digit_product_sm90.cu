#include <algorithm>

#include "kernels/cuda/digit_product.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/warpgroup.cuh"

// On the warpgroup instructions of sm_90a. Three sums of 128 x 128 pairs fill three quarters of a multiprocessor's
// registers. A round is 24 products, for which a block reads 32 bytes a clock.
namespace rsir::cuda {
namespace {

constexpr int kThreads = 256, kTile = 128;  // two warpgroups, each 64 queries by 128 items
using Tiles = DigitTiles<kTile, kThreads>;

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

__global__ void __launch_bounds__(kThreads, 1) digits_product_kernel(const __grid_constant__ DigitProduct product) {
    if (*product.stopped != 0) return;
    const int lane = threadIdx.x % 32, group = threadIdx.x / 128;
    const std::uint32_t base = shared_base();
    Tiles tiles(product, base);
    const std::int64_t all = tiles.tiles;
    std::uint32_t stage = base;
    std::int32_t sums[kDigits][kTile / 8][4] = {};
    tiles.copy_next(product);
    for (std::int64_t tile = blockIdx.x; tile < all; tile += gridDim.x) {
        for (int round = 0; round < tiles.rounds; ++round) {
            wait_copies<0>();
            see_copies();
            __syncthreads();  // the products of the other stage are done, too
            const std::uint64_t a = describe(stage + group * 64 * kDigitLine);
            const std::uint64_t b = describe(stage + kDigits * Tiles::kPlane);
            begin_products();
#pragma unroll
            for (int part = 0; part < kDigitLine / 32; ++part) {
#pragma unroll
                for (int first = 0; first < kDigits; ++first) {
#pragma unroll
                    for (int second = 0; first + second < kDigits; ++second) {
                        constexpr int kUnits = Tiles::kPlane / 16;
                        multiply_add(sums[first + second], a + first * kUnits + 2 * part,
                                     b + second * kUnits + 2 * part, part > 0 || first > 0 || round > 0);
                    }
                }
            }
            commit_products();
            tiles.copy_next(product);
            wait_products<0>();
            stage = base + (Tiles::kStage - (stage - base));
        }
#pragma unroll
        for (int digit = 0; digit < kDigits; ++digit) wait_counts(sums[digit]);

        const std::int64_t query = tiles.query_of(tile) + static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
        const std::int64_t item = tiles.item_of(tile) + lane % 4 * 2;
        const NearRow row(product, query), next(product, query + 8);
#pragma unroll
        for (int j = 0; j < kTile / 8; ++j) {
            const float2 units = two_of(product.items.unit, item + j * 8);
            const float2 norms = two_of(product.items.norm, item + j * 8);
            row.write(item + j * 8, units, norms, sums[0][j], sums[1][j], sums[2][j], 0);
            next.write(item + j * 8, units, norms, sums[0][j], sums[1][j], sums[2][j], 2);
            keep_order();  // one column's terms at a time: there are no registers for more
        }
    }
}

#else

__global__ void digits_product_kernel(const __grid_constant__ DigitProduct) {}

#endif

}  // namespace

cudaError_t multiply_digits_sm90(const DigitProduct& product, cudaStream_t stream) {
    int device = 0, multiprocessors = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    if (error != cudaSuccess) return error;
    const std::int64_t blocks = std::min(product.query_tiles * product.item_tiles, std::int64_t{multiprocessors});
    return launch(digits_product_kernel, static_cast<unsigned>(blocks), kThreads, kDigitStages * Tiles::kStage, stream,
                  product);
}

}  // namespace rsir::cuda
