#include <algorithm>

#include "kernels/cuda/compiled.h"
#include "kernels/cuda/digit_product.cuh"
#include "kernels/cuda/launch.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 128, kTile = 64;  // 2 x 2 warps of 32 x 32: three sums a pair leave no registers for more
using Tiles = DigitTiles<kTile, kThreads>;

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800

constexpr int kWarpTile = 32, kTilesM = kWarpTile / 16, kTilesN = kWarpTile / 8;

__global__ void __launch_bounds__(kThreads, 3) digits_product_kernel(const __grid_constant__ DigitProduct product) {
    if (*product.stopped != 0) return;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int warp_row = warp / 2 * kWarpTile, warp_column = warp % 2 * kWarpTile;
    const int a_line = warp_row + lane % 16, a_chunk = lane / 16;
    const int b_line = kDigits * kTile + warp_column + lane % 8 + lane / 16 * 8, b_chunk = lane / 8 % 2;
    const int twist = lane % 8;
    const std::uint32_t base = shared_base();
    Tiles tiles(product, base);
    const std::int64_t all = tiles.tiles;
    std::uint32_t stage = base;
    tiles.copy_next(product);
    for (std::int64_t tile = blockIdx.x; tile < all; tile += gridDim.x) {
        std::int32_t sums[kDigits][kTilesM][kTilesN][4] = {};
        for (int round = 0; round < tiles.rounds; ++round) {
            wait_copies<0>();
            __syncthreads();  // the other stage has been read, too
            tiles.copy_next(product);
#pragma unroll 1
            for (int part = 0; part < kDigitLine / 32; ++part) {
                std::uint32_t a[kTilesM][4], b[kDigits][kTilesN / 2][4];
#pragma unroll
                for (int digit = 0; digit < kDigits; ++digit) {
#pragma unroll
                    for (int j = 0; j < kTilesN / 2; ++j) {
                        load_matrices(b[digit][j], stage + digit * Tiles::kPlane + (b_line + j * 16) * kDigitLine +
                                                       (((2 * part + b_chunk) ^ twist) << 4));
                    }
                }
#pragma unroll
                for (int first = 0; first < kDigits; ++first) {
#pragma unroll
                    for (int i = 0; i < kTilesM; ++i) {
                        load_matrices(a[i], stage + first * Tiles::kPlane + (a_line + i * 16) * kDigitLine +
                                                (((2 * part + a_chunk) ^ twist) << 4));
                    }
#pragma unroll
                    for (int second = 0; first + second < kDigits; ++second) {
#pragma unroll
                        for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
                            for (int j = 0; j < kTilesN; ++j) {
                                const std::uint32_t (&of)[4] = b[second][j / 2];
                                multiply_add(sums[first + second][i][j], a[i], of[j % 2 * 2], of[j % 2 * 2 + 1]);
                            }
                        }
                    }
                }
            }
            stage = base + (Tiles::kStage - (stage - base));
        }
        const std::int64_t item = tiles.item_of(tile) + warp_column + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < kTilesM * 2; ++i) {
            const NearRow row(product, tiles.query_of(tile) + warp_row + lane / 4 + i * 8);
#pragma unroll
            for (int j = 0; j < kTilesN; ++j) {
                row.write(item + j * 8, two_of(product.items.unit, item + j * 8),
                          two_of(product.items.norm, item + j * 8), sums[0][i / 2][j], sums[1][i / 2][j],
                          sums[2][i / 2][j], i % 2 * 2);
            }
        }
    }
}

#else

__global__ void digits_product_kernel(const __grid_constant__ DigitProduct) {}  // for sm_80 and newer

#endif

}  // namespace

cudaError_t digit_product_runs(bool* runs) { return compiled_for(digits_product_kernel, 80, 1 << 20, runs); }

cudaError_t multiply_digits(const DigitProduct& product, cudaStream_t stream) {
    int device = 0, major = 0, multiprocessors = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    if (error != cudaSuccess) return error;
#ifdef RSIR_SM90A
    if (major == 9) return multiply_digits_sm90(product, stream);
#endif
    constexpr std::int64_t kPart = (kDigitTile / kTile) * (kDigitTile / kTile);
    static_assert(kDigitStages * Tiles::kStage <= 99 * 1024);  // of sm_86, sm_89 and sm_120; on others two blocks
    const std::int64_t blocks =
        std::min(product.query_tiles * product.item_tiles * kPart, std::int64_t{2} * multiprocessors);
    return launch(digits_product_kernel, static_cast<unsigned>(blocks), kThreads, kDigitStages * Tiles::kStage, stream,
                  product);
}

}  // namespace rsir::cuda
