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
// Halves, sm_90a only; by copies of each thread, or, not run on a device yet, by the tensor memory accelerator.
cudaError_t multiply_sm90(const Product& product, cudaStream_t stream);
cudaError_t multiply_bulk(const Product& product, cudaStream_t stream);
// int8 and words, up to kMostStreamed queries; up to kMostWords, sm_90a only.
cudaError_t multiply_stream(const Product& product, cudaStream_t stream);
cudaError_t multiply_words(const Product& product, cudaStream_t stream);

// Of the products of both words of a query; its only rounding.
__device__ inline float sum_of_words(std::int64_t high, std::int64_t low) {
    return static_cast<float>(256 * high + low);
}

// Chunk c (16 bytes) of line r (128 bytes) of a tile in shared memory lies at c ^ (r & 7), so that neither copies nor
// the tensor cores' loads meet in a bank; this is also what sm_90 calls its 128-byte swizzle.
constexpr int kLineBytes = static_cast<int>(kDepthTile) * 2;
constexpr int kStageBytes = static_cast<int>(kQueryTile + kItemTile) * kLineBytes;

// What is multiplied at a time: the item tile that a step of the walk visits, with a tile of queries.
struct TilePlace {
    int step, query_tile, item_tile;  // step: of the phase

    __device__ TilePlace(const Product& product, int of_phase, int of_queries)
        : step(of_phase),
          query_tile(of_queries),
          item_tile(static_cast<int>((product.first + step) * product.stride % product.tiles)) {}
    __device__ std::int64_t first_row() const { return query_tile * kQueryTile; }
    __device__ std::int64_t first_item() const { return item_tile * kItemTile; }
};

// What one block multiplies, and its copies to shared memory; 256 threads.
struct BlockTile : TilePlace {
    std::int64_t width;
    int rounds;
    std::uint32_t copy_to;
    const __half *row_from, *item_from;

    __device__ BlockTile(const Product& product, int query_tiles, std::uint32_t base)
        : TilePlace(product, static_cast<int>(blockIdx.x) / query_tiles, static_cast<int>(blockIdx.x) % query_tiles) {
        const int line = static_cast<int>(threadIdx.x) / 8, chunk = static_cast<int>(threadIdx.x) % 8;
        width = product.database.width;
        rounds = static_cast<int>(width / kDepthTile);
        copy_to = base + line * kLineBytes + ((chunk ^ (line & 7)) << 4);
        row_from = static_cast<const __half*>(product.queries.values) + (first_row() + line) * width + chunk * 8;
        item_from = static_cast<const __half*>(product.database.values) + (first_item() + line) * width + chunk * 8;
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

    // An item's, in registers.
    struct Item {
        Screen screen;
        float residual;  // 0 of what is no answer

        Item() = default;
        // Rows of a sidecar are padded to a tile.
        __device__ Item(const Product& product, std::int64_t item) {
            const bool is_answer = item < product.n && is_allowed(product.allowed, item);
            const float infinity = __uint_as_float(kInfinity), norm = product.database.norm[item];
            residual = product.database.residual[item];
            screen = {!is_answer    ? infinity
                      : isnan(norm) ? -infinity
                                    : Cut::low(product.sum_error, norm, residual),
                      product.database.scale[item]};
            if (!is_answer) residual = 0.0f;
        }
    };

    // A warp's items, in 32 columns.
    __device__ void put(int column, const Item& item) {
        screen[column] = item.screen;
        float most = item.residual;
        for (int half = kWarp / 2; half >= 1; half /= 2) most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, half));
        if (column % kWarp == 0) largest[column / kWarp] = most;
    }
    // The whole block of 256 threads, before a barrier.
    __device__ void load(const Product& product, std::int64_t first_item) {
        put(static_cast<int>(threadIdx.x), Item(product, first_item + threadIdx.x));
    }
    // After the barrier.
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

    // Of an item whose codes have the product `sum` with the query's: whether it is excluded, else its key, or kNoKey
    // where it is no answer. Of a query that is wanted.
    __device__ bool excludes(const ItemTerms::Screen& item, float residual, float sum) const {
        return cut.excludes(norm + item.low + scale * (item.scale * sum), residual);
    }
    __device__ Key key(const Product& product, std::int64_t item, float item_scale, float sum) const {
        if (item >= product.n || !is_allowed(product.allowed, item)) return kNoKey;
        // A = |x^|^2 + |y^|^2 - 2 <x^, y^>
        const float distance = norm + product.database.norm[item] + scale * (item_scale * sum);
        const std::uint32_t bits = isnan(distance) ? kQuietNaN : __float_as_uint(fmaxf(distance, 0.0f));
        return make_key(bits, static_cast<std::uint32_t>(item));
    }
    // To its place in the walk, of the phase's steps; to the others.
    __device__ void keep(std::int64_t step, int column, Key key) const {
        if (keys != nullptr) keys[step * kItemTile + column] = key;
    }
    __device__ void append(const Product& product, Key key) const {
        if (keys == nullptr || key == kNoKey) return;
        const int next = atomicAdd(count, 1);
        if (next < product.kept) keys[next] = key;
    }
};

// Of a phase that keeps all.
__device__ inline void keep(const RowTest& query, const Product& product, const TilePlace& tile, const ItemTerms& terms,
                            float sum, int column) {
    query.keep(tile.step, column, query.key(product, tile.first_item() + column, terms.screen[column].scale, sum));
}

// The same test in two instructions for every product of a tile, with the tile's largest residual in place of the
// item's own, and divided by -2 s: s_y sum + bias + low factor, s a scale. Scales of halves are powers of two, so that
// only the two sums are rounded; of integers the factor is, too. Negative: excluded. A NaN is made only of what is no
// answer.
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

// The hits of one row of a tile, `found` keys of products above their columns, whose own residuals do not exclude them:
// to the query's keys. They are overwritten. By a thread.
__device__ inline void append_hits(const Product& product, const TilePlace& tile, int row, const ItemTerms& terms,
                                   Key* hits, int found) {
    if (found == 0) return;
    const RowTest query(product, tile.first_row() + row);
    int left = 0;
    for (int i = 0; i < found; ++i) {
        const float sum = __uint_as_float(static_cast<std::uint32_t>(hits[i] >> 32));
        const auto column = static_cast<std::uint32_t>(hits[i]);
        const std::int64_t item = tile.first_item() + column;
        if (query.excludes(terms.screen[column], product.database.residual[item], sum)) continue;
        const Key key = query.key(product, item, terms.screen[column].scale, sum);
        if (key != kNoKey) hits[left++] = key;
    }
    if (query.keys == nullptr || left == 0) return;
    const int next = atomicAdd(query.count, left);
    for (int i = 0; i < left && next + i < product.kept; ++i) query.keys[next + i] = hits[i];
}

// What passes the screen of a block's tile, row by row in shared memory where the stages were: memory is asked for a
// place once a row, by all rows at a time, where each hit would keep its whole warp waiting for an answer.
template <int kStages>
struct Hits {
    // An odd number: the rows of a warp begin in different banks.
    static constexpr int kRoom = (kStages * kStageBytes / (static_cast<int>(kQueryTile) * 8) - 1) | 1;
    static constexpr int kFewColumns = static_cast<int>(kItemTile) / 4;
    static_assert(kRoom >= kFewColumns);
    Key* rows;    // [kQueryTile, kRoom]: the product above its column
    int* counts;  // [kQueryTile]

    // Before a barrier.
    __device__ void clear() const {
        if (threadIdx.x < kQueryTile) counts[threadIdx.x] = 0;
    }
    // Returns how many there are before it: kRoom and more have no room.
    __device__ int push(int row, float sum, int column) const {
        const int before = atomicAdd(counts + row, 1);
        if (before < kRoom) {
            rows[row * kRoom + before] = make_key(__float_as_uint(sum), static_cast<std::uint32_t>(column));
        }
        return before;
    }
    // Between barriers; a row by a thread.
    __device__ void append(const Product& product, const BlockTile& tile, const ItemTerms& terms) const {
        const int row = static_cast<int>(threadIdx.x);
        if (row < static_cast<int>(kQueryTile)) append_hits(product, tile, row, terms, rows + row * kRoom, counts[row]);
    }
    // The whole block, after its products: screen(first, end) pushes those of these columns of the tile, and returns
    // the most that a push did. Where there was no room it is asked for fewer columns at a time, for which there is.
    template <class Screen>
    __device__ void gather(const Product& product, const BlockTile& tile, const ItemTerms& terms,
                           const Screen& screen) const {
        __syncthreads();  // the stages have been read
        int columns = static_cast<int>(kItemTile);
        for (int first = 0; first < static_cast<int>(kItemTile); first += columns) {
            if (__syncthreads_or(screen(first, first + columns) >= kRoom)) {
                columns = kFewColumns;
                first = -columns;
            } else {
                append(product, tile, terms);
            }
            clear();
            __syncthreads();
        }
    }
};

// Pushes a thread's products of some rows of the tile with the items in columns column + 8 j and the next, as far as
// these are within [first, end); sum(i, j, e). Returns the most that a push did. kTogether tiles of 8 columns are
// screened at once: one branch.
template <int kTogether, int kTiles, int kRows, class Hits, class Sum>
__device__ int screen_columns(const ItemTerms& terms, const Hits& hits, const RowScreen (&screens)[kRows],
                              const int (&rows)[kRows], int column, int first, int end, const Sum& sum) {
    constexpr std::uint32_t kSign = 1u << 31;
    int most = 0;
#pragma unroll
    for (int group = 0; group < kTiles; group += kTogether) {
        const int at = column + group * 8;
        if (at < first || at >= end) continue;
        std::uint32_t all = kSign;
#pragma unroll
        for (int j = 0; j < kTogether; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
#pragma unroll
                for (int i = 0; i < kRows; ++i) {
                    all &= screens[i].bits(terms.screen[at + j * 8 + e], sum(i, group + j, e));
                }
            }
        }
        if (all != 0) continue;
#pragma unroll
        for (int j = 0; j < kTogether; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
#pragma unroll
                for (int i = 0; i < kRows; ++i) {
                    const float product = sum(i, group + j, e);
                    if ((screens[i].bits(terms.screen[at + j * 8 + e], product) & kSign) != 0) continue;
                    most = max(most, hits.push(rows[i], product, at + j * 8 + e));
                }
            }
        }
    }
    return most;
}

}  // namespace rsir::cuda
