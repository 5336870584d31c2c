#include <cstdlib>
#include <cstring>

#include "kernels/cuda/certify_product.cuh"
#include "kernels/cuda/compiled.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matrix.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800

// A block makes 128 x 256 of the product with 2 x 4 warps of 64 x 64; 64 elements of depth are one stage.
constexpr int kWarpRows = 64, kWarpColumns = 64;
constexpr int kTilesM = kWarpRows / 16, kTilesN = kWarpColumns / 8;

template <int kStages, bool kKeepAll>
__global__ void __launch_bounds__(kThreads, 1)
    product_kernel(const __grid_constant__ Product product, int query_tiles) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const std::uint32_t base = shared_base();
    const BlockTile tile(product, query_tiles, base);
    if (nothing_wanted(product, tile.first_row()) || nothing_allowed(product, tile.first_item())) return;
    __shared__ ItemTerms terms;
    __shared__ int counts[kQueryTile];
    const Hits<kStages> hits{dynamic_shared<Key>(), counts};
    terms.load(product, tile.first_item());
    hits.clear();
#pragma unroll
    for (int round = 0; round < kStages - 1; ++round) tile.copy_stage<kStages>(round);

    const int warp_row = warp / 4 * kWarpRows, warp_column = warp % 4 * kWarpColumns;
    const int a_line = warp_row + lane % 16, a_chunk = lane / 16;
    const int b_line = static_cast<int>(kQueryTile) + warp_column + lane % 8 + lane / 16 * 8, b_chunk = lane / 8 % 2;
    const int twist = lane % 8;  // that of both lines
    float sums[kTilesM][kTilesN][4] = {};
    for (int round = 0; round < tile.rounds; ++round) {
        wait_copies<kStages - 2>();
        __syncthreads();
        tile.copy_stage<kStages>(round + kStages - 1);
        const std::uint32_t stage = base + round % kStages * kStageBytes;
#pragma unroll
        for (int part = 0; part < static_cast<int>(kDepthTile) / 16; ++part) {
            std::uint32_t a[kTilesM][4], b[kTilesN / 2][4];
#pragma unroll
            for (int i = 0; i < kTilesM; ++i) {
                load_matrices(a[i], stage + (a_line + i * 16) * kLineBytes + (((2 * part + a_chunk) ^ twist) << 4));
            }
#pragma unroll
            for (int j = 0; j < kTilesN / 2; ++j) {
                load_matrices(b[j], stage + (b_line + j * 16) * kLineBytes + (((2 * part + b_chunk) ^ twist) << 4));
            }
#pragma unroll
            for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
                for (int j = 0; j < kTilesN; ++j) {
                    multiply_add(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
                }
            }
        }
    }

    const int column = warp_column + lane % 4 * 2, row = warp_row + lane / 4;
    if constexpr (!kKeepAll) {
        const float residual = terms.largest_residual();
        hits.gather(product, tile, terms, [&](int first, int end) {
            int most = 0;
#pragma unroll
            for (int i = 0; i < kTilesM * 2; ++i) {
                const RowScreen screens[1] = {{RowTest(product, tile.first_row() + row + i * 8), residual}};
                most = max(
                    most, screen_columns<4, kTilesN>(terms, hits, screens, {row + i * 8}, column, first, end,
                                                     [&](int, int j, int e) { return sums[i / 2][j][i % 2 * 2 + e]; }));
            }
            return most;
        });
    } else {
#pragma unroll
        for (int i = 0; i < kTilesM * 2; ++i) {
            const RowTest query(product, tile.first_row() + row + i * 8);
#pragma unroll
            for (int j = 0; j < kTilesN; ++j) {
#pragma unroll
                for (int e = 0; e < 2; ++e)
                    keep(query, product, tile, terms, sums[i / 2][j][i % 2 * 2 + e], column + j * 8 + e);
            }
        }
    }
}

#else

template <int kStages, bool kKeepAll>
__global__ void product_kernel(const __grid_constant__ Product, int) {}  // multiply() is for sm_80 and newer

#endif

template <int kStages>
cudaError_t multiply_in(const Product& product, cudaStream_t stream) {
    const auto query_tiles = static_cast<int>((product.q + kQueryTile - 1) / kQueryTile);
    // Blocks of one database tile are neighbours, so that it is read from memory once.
    const auto kernel = product.keep_all ? product_kernel<kStages, true> : product_kernel<kStages, false>;
    return launch(kernel, static_cast<unsigned>(product.count * query_tiles), kThreads, kStages * kStageBytes, stream,
                  product, query_tiles);
}

}  // namespace

cudaError_t certify_runs(bool* runs) { return compiled_for(product_kernel<4, false>, 80, 1 << 20, runs); }

cudaError_t multiply(const Product& product, cudaStream_t stream) {
    int device = 0, most = 0, major = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    if (error != cudaSuccess) return error;
#ifdef RSIR_SM90A
    if (major == 9) {
        const char* const by = std::getenv("RSIR_SM90_PRODUCT");  // docs/performance.md
        if (by == nullptr || std::strcmp(by, "cp_async") == 0) return multiply_sm90(product, stream);
        return std::strcmp(by, "tma") == 0 ? multiply_bulk(product, stream) : cudaErrorInvalidValue;
    }
#endif
    // Of sm_86, sm_89 and sm_120; of sm_80; of sm_100.
    constexpr int kBeside = static_cast<int>(sizeof(ItemTerms) + kQueryTile * sizeof(int));
    static_assert(2 * kStageBytes + kBeside <= 99 * 1024 && 3 * kStageBytes + kBeside <= 163 * 1024 &&
                  4 * kStageBytes + kBeside <= 227 * 1024);
    const int stages = (most - kBeside) / kStageBytes;
    if (stages >= 4) return multiply_in<4>(product, stream);
    return stages == 3 ? multiply_in<3>(product, stream) : multiply_in<2>(product, stream);
}

}  // namespace rsir::cuda
