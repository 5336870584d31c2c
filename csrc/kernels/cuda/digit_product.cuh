// What the kernels of digit_product.h share: a persistent block's way from tile to tile, copying ahead.
#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/digit_product.h"
#include "kernels/cuda/digits.cuh"
#include "kernels/cuda/matrix.cuh"

namespace rsir::cuda {

constexpr int kDigitLine = 128;  // bytes, which are columns, of each digit of a row that a stage holds
constexpr int kDigitStages = 2;

// A stage holds the digits of a tile's queries, one after the other, then those of its items: lines of 128 bytes whose
// chunk c lies at c ^ (line & 7), as in certify_product.cuh.
template <int kTile, int kThreads>
struct DigitTiles {
    static constexpr int kPlane = kTile * kDigitLine;
    static constexpr int kStage = 2 * kDigits * kPlane;

    std::int64_t tile, tiles;  // the next to be copied
    int round, rounds, query_tiles;
    std::uint32_t base, stage = 0;

    __device__ DigitTiles(const DigitProduct& product, std::uint32_t from)
        : tile(blockIdx.x),
          round(0),
          rounds(static_cast<int>(product.items.width / kDigitLine)),
          query_tiles(static_cast<int>(product.query_tiles * (kDigitTile / kTile))),
          base(from) {
        tiles = query_tiles * product.item_tiles * (kDigitTile / kTile);
    }
    // Neighbours share their items.
    __device__ std::int64_t query_of(std::int64_t of) const { return of % query_tiles * kTile; }
    __device__ std::int64_t item_of(std::int64_t of) const { return of / query_tiles * kTile; }

    // Queues the copies of the next round, if there is one, into the stage that is not in use.
    __device__ void copy_next(const DigitProduct& product) {
        if (tile < tiles) {
            copy(product.queries, product.first_query + query_of(tile), base + stage);
            copy(product.items, item_of(tile), base + stage + kDigits * kPlane);
            if (++round == rounds) {
                round = 0;
                tile += gridDim.x;
            }
        }
        commit_copies();
        stage = kStage - stage;
    }

  private:
    __device__ void copy(const Digits& from, std::int64_t first, std::uint32_t to) const {
        constexpr int kLines = kThreads / 8;
        const int line = static_cast<int>(threadIdx.x) / 8, chunk = static_cast<int>(threadIdx.x) % 8;
        const std::int8_t* row = from.values + (first + line) * from.width + round * kDigitLine + chunk * 16;
        to += line * kDigitLine + ((chunk ^ (line & 7)) << 4);
#pragma unroll
        for (int digit = 0; digit < kDigits; ++digit) {
#pragma unroll
            for (int i = 0; i < kTile / kLines; ++i) {
                copy_chunk(to + digit * kPlane + i * kLines * kDigitLine, row + i * kLines * from.width);
            }
            row += from.rows * from.width;
        }
    }
};

// One row of a tile as it is written.
struct NearRow {
    float twice_unit, norm;
    float* to;  // its item 0

    __device__ NearRow(const DigitProduct& product, std::int64_t row)
        : twice_unit(-2.0f * product.queries.unit[product.first_query + row]),
          norm(product.queries.norm[product.first_query + row]),
          to(product.near + row * product.stride) {}

    // Items `item`, which is even, and the next.
    __device__ void write(std::int64_t item, float2 units, float2 norms, const std::int32_t (&s0)[4],
                          const std::int32_t (&s1)[4], const std::int32_t (&s2)[4], int first) const {
        float2 near;
        near.x = near_distance(s0[first], s1[first], s2[first], twice_unit, units.x, norm + norms.x);
        near.y = near_distance(s0[first + 1], s1[first + 1], s2[first + 1], twice_unit, units.y, norm + norms.y);
        *reinterpret_cast<float2*>(to + item) = near;
    }
};

__device__ inline float2 two_of(const float* numbers, std::int64_t first) {
    return *reinterpret_cast<const float2*>(numbers + first);
}

}  // namespace rsir::cuda
