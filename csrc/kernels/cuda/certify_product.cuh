// The fast pass of certify.h: products of the copies, tested against the cuts in registers.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include "kernels/cuda/allowed.cuh"
#include "kernels/cuda/canonical.cuh"
#include "kernels/cuda/certify.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/matrix.cuh"
#include "kernels/cuda/select.cuh"

namespace rsir::cuda {

// What excludes an item (certify.h): A > (t + r)^2 + g (|x^|^2 + |y^|^2), with t = T + rho_x and r = rho_y. What
// depends on the item alone goes to its side: A - low(y) > base + slope r.
struct Cut {
    float base, slope;  // t^2 + g |x^|^2 and 2 t, with room for the roundings of the test

    // reach: t; infinite where nothing can be excluded yet.
    static __device__ Cut of(double reach, double sum_error, float norm) {
        if (!(reach <= 1e30)) return {__uint_as_float(kInfinity), 0.0f};
        return {__double2float_ru((reach * reach + sum_error * static_cast<double>(norm)) * kRoom),
                __double2float_ru(2 * reach * kRoom)};
    }
    // |y^|^2 - r^2 - g |y^|^2, rounded down.
    static __device__ float low(double sum_error, float norm, float residual) {
        const double y = static_cast<double>(norm), r = static_cast<double>(residual);
        return -__double2float_ru((r * r + sum_error * y) * kRoom - y);
    }
    // A itself, in float64.
    __device__ bool excludes(float distance, double sum_error, float norm, float residual) const {
        const double r = static_cast<double>(residual);
        const double low = static_cast<double>(distance) - (r * r + sum_error * static_cast<double>(norm)) * kRoom;
        return low > static_cast<double>(base) + static_cast<double>(slope) * r;
    }
    // NaN is not excluded.
    __device__ bool excludes(float low_distance, float residual) const {
        return low_distance > __fmaf_rn(slope, residual, base);
    }

    static constexpr double kRoom = 1.0 + 0x1p-18;
};

struct Product {
    Sidecar queries, database;
    std::int64_t q, n;
    // Tiles [first, first + count) of a walk over all tiles of the database: step t visits tile t * stride % tiles.
    std::int64_t stride, tiles, first, count;
    double sum_error;   // g of certify.h
    bool keep_all;      // keys go to their place in the walk; else those that cannot be excluded are appended
    bool some;          // whether there may be tiles none of whose queries is wanted
    std::int64_t kept;  // room for a query's keys
    Key* keys;          // [q, kept]: bits of A above the id; kQuietNaN's where A is NaN
    int* counts;        // [q]: counts on beyond `kept`, where there is no more room
    const int* wanted;  // [q]: not 0 for the queries that get keys
    const Cut* cuts;    // [q]
    Allowed allowed;    // items that get keys
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

// Whether the block has nothing to do: no query of its tile is wanted. The whole block of at least kQueryTile threads.
__device__ inline bool nothing_wanted(const Product& product, std::int64_t first_row) {
    if (!product.some) return false;
    const std::int64_t row = first_row + threadIdx.x;
    return __syncthreads_or(threadIdx.x < kQueryTile && row < product.q && product.wanted[row] != 0) == 0;
}

// Whether a tile of items may be passed over, as none of them is allowed. The whole block of 256 threads.
__device__ inline bool nothing_allowed(const Product& product, std::int64_t first_item) {
    if (all_allowed(product.allowed) || product.keep_all) return false;
    const std::int64_t item = first_item + threadIdx.x;
    return __syncthreads_or(item < product.n && is_allowed(product.allowed, item)) == 0;
}

// What the test takes of a tile's items, in shared memory: loads from memory could not pass the stores of keys.
struct ItemTerms {
    struct Screen {
        float low, scale;
    };
    alignas(16) Screen screen[kItemTile];  // low: -infinity of what cannot be excluded, infinity of what is no answer
    float largest[kItemTile / kWarp];      // residual of an answer, of each warp's items

    // The whole block of 256 threads, before a barrier. Rows of a sidecar are padded to a tile.
    __device__ void load(const Product& product, std::int64_t first_item) {
        const std::int64_t item = first_item + threadIdx.x;
        const bool is_answer = item < product.n && is_allowed(product.allowed, item);
        const float infinity = __uint_as_float(kInfinity), norm = product.database.norm[item];
        float most = product.database.residual[item];
        screen[threadIdx.x] = {!is_answer    ? infinity
                               : isnan(norm) ? -infinity
                                             : Cut::low(product.sum_error, norm, most),
                               product.database.scale[item]};
        if (!is_answer) most = 0.0f;
        for (int half = kWarp / 2; half >= 1; half /= 2) most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, half));
        if (threadIdx.x % kWarp == 0) largest[threadIdx.x / kWarp] = most;
    }
    // The same, after the barrier.
    __device__ float largest_residual() const {
        float most = largest[0];
        for (int warp = 1; warp < static_cast<int>(kItemTile) / kWarp; ++warp) most = fmaxf(most, largest[warp]);
        return most;
    }
};

// One query's row of the product.
struct RowTest {
    float norm, scale;
    Cut cut;
    Key* keys;  // null: not wanted
    int* count;

    __device__ RowTest(const Product& product, std::int64_t row) : RowTest(product, row, row < product.q) {}
    __device__ RowTest(const Product& product, std::int64_t row, bool there)
        : norm(product.queries.norm[there ? row : 0]),
          scale(-2.0f * product.queries.scale[there ? row : 0]),
          cut(product.cuts[there ? row : 0]),
          keys(there && product.wanted[row] != 0 ? product.keys + row * product.kept : nullptr),
          count(product.counts + row) {}

    // `sum`: the product of the codes with those of the item in that column of the tile of that step.
    __device__ void test(const Product& product, std::int64_t step, std::int64_t first_item, int column, float low,
                         float item_scale, float residual, float sum) const {
        const float products = scale * (item_scale * sum);
        if (!product.keep_all && cut.excludes(norm + low + products, residual)) return;
        if (keys == nullptr) return;
        const std::int64_t item = first_item + column;
        const bool is_answer = item < product.n && is_allowed(product.allowed, item);
        // A = |x^|^2 + |y^|^2 - 2 <x^, y^>
        const float distance = norm + product.database.norm[item] + products;
        const std::uint32_t bits = isnan(distance) ? kQuietNaN : __float_as_uint(fmaxf(distance, 0.0f));
        const Key key = make_key(bits, static_cast<std::uint32_t>(item));
        if (product.keep_all) {
            keys[(step - product.first) * kItemTile + column] = is_answer ? key : kNoKey;
        } else if (is_answer) {
            const int next = atomicAdd(count, 1);
            if (next < product.kept) keys[next] = key;
        }
    }
    __device__ void test(const Product& product, const BlockTile& tile, const ItemTerms& terms, float sum,
                         int column) const {
        test(product, tile.step, tile.first_item, column, terms.screen[column].low, terms.screen[column].scale,
             product.database.residual[tile.first_item + column], sum);
    }
};

// The same test in two instructions for every product of a tile, with the tile's largest residual in place of the
// item's own, and divided by -2 s: s_y sum + bias + low factor, s a scale. Scales of halves are powers of two, so that
// only the two sums are rounded. Negative: excluded. A NaN is made only of what is no answer.
struct RowScreen {
    float bias, factor;

    RowScreen() = default;
    __device__ RowScreen(const RowTest& query, float residual) : factor(1.0f / query.scale) {
        const double cut =
            static_cast<double>(query.cut.base) + static_cast<double>(query.cut.slope) * static_cast<double>(residual);
        bias = query.keys == nullptr
                   ? -__uint_as_float(kInfinity)
                   : __double2float_ru((static_cast<double>(query.norm) - cut) * static_cast<double>(factor));
    }
    __device__ std::uint32_t bits(const ItemTerms::Screen& item, float sum) const {
        return __float_as_uint(__fmaf_rn(item.low, factor, __fmaf_rn(item.scale, sum, bias)));
    }
};

// A thread's products of some queries with the items in columns column + 8 j and the next; sum(i, j, e). kTogether
// tiles of 8 columns are screened at once: one branch.
template <int kTogether, int kTiles, int kQueries, class Sum>
__device__ void test_columns(const Product& product, const BlockTile& tile, const ItemTerms& terms,
                             const RowTest (&queries)[kQueries], int column, const Sum& sum) {
    constexpr std::uint32_t kSign = 1u << 31;
    RowScreen screens[kQueries];
    const float residual = terms.largest_residual();
#pragma unroll
    for (int i = 0; i < kQueries; ++i) screens[i] = {queries[i], residual};
#pragma unroll
    for (int first = 0; first < kTiles; first += kTogether) {
        std::uint32_t all = kSign;
#pragma unroll
        for (int j = first; j < first + kTogether; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
#pragma unroll
                for (int i = 0; i < kQueries; ++i)
                    all &= screens[i].bits(terms.screen[column + j * 8 + e], sum(i, j, e));
            }
        }
        if (all != 0) continue;
#pragma unroll
        for (int j = first; j < first + kTogether; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
#pragma unroll
                for (int i = 0; i < kQueries; ++i) {
                    const int at = column + j * 8 + e;
                    if ((screens[i].bits(terms.screen[at], sum(i, j, e)) & kSign) != 0) continue;
                    queries[i].test(product, tile, terms, sum(i, j, e), at);
                }
            }
        }
    }
}

}  // namespace rsir::cuda
