// The fast pass of certify.h: products of the copies, tested against the cuts in registers.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/certify.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/select.cuh"

namespace rsir::cuda {

struct Product {
    Sidecar queries, database;
    std::int64_t q, n;
    // Tiles [first, first + count) of a walk over all tiles of the database: step t visits tile t * stride % tiles.
    std::int64_t stride, tiles, first, count;
    bool keep_all;      // keys go to their place in the walk; else those with A up to the cut are appended
    std::int64_t kept;  // room for a query's keys
    Key* keys;          // [q, kept]: bits of A above the id; kQuietNaN's where A is NaN
    int* counts;        // [q]: counts on beyond `kept`, where there is no more room
    const float* cuts;  // [q]
};

// Halves, sm_80 and newer.
cudaError_t multiply(const Product& product, cudaStream_t stream);
// Halves, sm_90a only.
cudaError_t multiply_sm90(const Product& product, cudaStream_t stream);
// int8, up to kMostStreamed queries.
cudaError_t multiply_stream(const Product& product, cudaStream_t stream);

// Chunk c (16 bytes) of line r (128 bytes) of a tile in shared memory lies at c ^ (r & 7), so that neither copies nor
// the tensor cores' loads meet in a bank; this is also what sm_90 calls its 128-byte swizzle.
constexpr int kLineBytes = static_cast<int>(kDepthTile) * 2;
constexpr int kStageBytes = static_cast<int>(kQueryTile + kItemTile) * kLineBytes;

// What one block multiplies, and its copies to shared memory; 256 threads.
struct BlockTile {
    std::int64_t step, first_row, first_item, width;
    int rounds;
    std::uint32_t copy_to;
    const __half *row_from, *item_from;

    __device__ BlockTile(const Product& product, int query_tiles, std::uint32_t base) {
        const int line = static_cast<int>(threadIdx.x) / 8, chunk = static_cast<int>(threadIdx.x) % 8;
        step = product.first + blockIdx.x / query_tiles;
        first_row = blockIdx.x % query_tiles * kQueryTile;
        first_item = step * product.stride % product.tiles * kItemTile;
        width = product.database.width;
        rounds = static_cast<int>(width / kDepthTile);
        copy_to = base + line * kLineBytes + ((chunk ^ (line & 7)) << 4);
        row_from = static_cast<const __half*>(product.queries.values) + (first_row + line) * width + chunk * 8;
        item_from = static_cast<const __half*>(product.database.values) + (first_item + line) * width + chunk * 8;
    }

    // Queues the copies of one round into its stage; one group of copies whether or not there is such a round.
    template <int kStages>
    __device__ void copy_stage(int round) const {
        constexpr int kLines = 256 / 8, kRowLines = static_cast<int>(kQueryTile);
        if (round < rounds) {
            const std::uint32_t to = copy_to + round % kStages * kStageBytes;
#pragma unroll
            for (int i = 0; i < kRowLines / kLines; ++i) {
                copy_chunk(to + i * kLines * kLineBytes, row_from + i * kLines * width + round * kDepthTile);
            }
#pragma unroll
            for (int i = 0; i < static_cast<int>(kItemTile) / kLines; ++i) {
                copy_chunk(to + (kRowLines + i * kLines) * kLineBytes,
                           item_from + i * kLines * width + round * kDepthTile);
            }
        }
        commit_copies();
    }
};

// Norms and scales of a tile's items in shared memory: loads from memory could not pass the stores of keys.
struct ItemTerms {
    float norm[kItemTile], scale[kItemTile];

    // The whole block of 256 threads, before a barrier. Rows of a sidecar are padded to a tile.
    __device__ void load(const Product& product, std::int64_t first_item) {
        norm[threadIdx.x] = product.database.norm[first_item + threadIdx.x];
        scale[threadIdx.x] = product.database.scale[first_item + threadIdx.x];
    }
};

// One query's row of the product.
struct RowTest {
    float norm, scale, cut;
    Key* keys;
    int* count;

    __device__ RowTest(const Product& product, std::int64_t row)
        : norm(product.queries.norm[row]),
          scale(-2.0f * product.queries.scale[row]),
          cut(product.cuts[row]),
          keys(product.keys + row * product.kept),
          count(product.counts + row) {}

    // A = |x^|^2 + |y^|^2 - 2 <x^, y^> of the item in that column of the tile of that step.
    __device__ void test(const Product& product, std::int64_t step, std::int64_t first_item, int column,
                         float item_norm, float item_scale, float sum) const {
        const float distance = norm + item_norm + scale * (item_scale * sum);
        const std::int64_t item = first_item + column;
        const std::uint32_t bits = isnan(distance) ? kQuietNaN : __float_as_uint(fmaxf(distance, 0.0f));
        const Key key = make_key(bits, static_cast<std::uint32_t>(item));
        if (product.keep_all) {
            keys[(step - product.first) * kItemTile + column] = item < product.n ? key : kNoKey;
        } else if (!(distance > cut) && item < product.n) {
            const int next = atomicAdd(count, 1);
            if (next < product.kept) keys[next] = key;
        }
    }
    __device__ void test(const Product& product, const BlockTile& tile, const ItemTerms& terms, float sum,
                         int column) const {
        test(product, tile.step, tile.first_item, column, terms.norm[column], terms.scale[column], sum);
    }
};

}  // namespace rsir::cuda
