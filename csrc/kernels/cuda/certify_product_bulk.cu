#include <algorithm>
#include <cstddef>

#include "kernels/cuda/bulk.cuh"
#include "kernels/cuda/certify_product.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/warpgroup.cuh"

// The product of certify_product_sm90.cu by blocks that stay: one a multiprocessor takes tile after tile, one of its
// warps copies by the tensor memory accelerator, two warpgroups multiply, each at its own pace, so that one tests its
// sums while the other multiplies. A cluster of two blocks has the same items and two tiles of queries: each copies
// half of the items for both.
//
// Stages are a ring. Turn t of a block, counted over all its tiles, is in stage t % kStages, as its round t / kStages
// there, whose number's parity is p. All blocks of a cluster take the same turns, with the same rounds of tiles.
//   full[stage], 1 arrival (the copying warp's own) and kStageBytes: phase r ends when turn r's copies have come.
//     A reader waits for parity p, then multiplies.
//   empty[stage], one arrival of each warp that multiplies, of every block of the cluster, as copies go to all of them:
//     phase r ends when turn r has been read everywhere. Before turn r + 1 is copied, the copying warp waits for that,
//     by parity p(r + 1) ^ 1; turn 0 waits for phase -1, which is over.
// No phase is passed over: full's r + 1 takes an expect_bytes after empty's r, which takes all readers' waits for
// full's r; and empty's r + 1 takes readers' waits for full's r + 1, after the copying warp's wait for empty's r. A
// peer's copy may come before the block's own expect_bytes of this phase: it cannot end it, as the one arrival is
// missing; nor come in an earlier phase, as it waits for an arrival of this block's readers after that one's end. At
// both ends all blocks meet: no barrier is used before it is begun, no block ends while another copies into it or
// arrives at it.
namespace rsir::cuda {
namespace {

constexpr int kStages = 4;
constexpr int kReaders = 8;    // warps that multiply: two warpgroups, each 64 queries by 256 items
constexpr int kThreads = 384;  // and a third one, of which a warp copies
constexpr int kCopierRegisters = 40, kReaderRegisters = 232;  // of 168 that each thread begins with
static_assert(128 * (kCopierRegisters + 2 * kReaderRegisters) <= 65536);
constexpr int kHalfItems = static_cast<int>(kItemTile) / 2;
static_assert(kHalfItems == kQueryTile);     // one kind of box
constexpr int kRoom = 25, kFewColumns = 16;  // hits of a query and a tile; columns for whose hits there is room
static_assert(kRoom >= kFewColumns && kRoom % 2 == 1);

// In dynamic shared memory, behind the stages.
struct Beside {
    std::uint64_t full[kStages], empty[kStages];
    ItemTerms terms[kReaders / 4][2];  // of each warpgroup's tile, and of the one before
    Key hits[kQueryTile * kRoom];
    int counts[kQueryTile];
};
constexpr std::size_t kSharedBytes = kStages * kStageBytes + sizeof(Beside);
static_assert(kSharedBytes <= 227 * 1024);

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr int kTilesN = static_cast<int>(kItemTile) / 8;

// Hits of the products of 16 queries, by a warp alone: with those of certify_product.cuh, but memory beside the stages.
struct WarpHits {
    Key* rows;  // [16, kRoom] of this warp
    int* counts;

    __device__ void clear() const {
        if (threadIdx.x % kWarp < 16) counts[threadIdx.x % kWarp] = 0;
        __syncwarp();
    }
    __device__ int push(int row, float sum, int column) const {
        const int before = atomicAdd(counts + row, 1);
        if (before < kRoom) {
            rows[row * kRoom + before] = make_key(__float_as_uint(sum), static_cast<std::uint32_t>(column));
        }
        return before;
    }
    // As Hits::gather, of the warp; first_row: of the tile.
    template <class Screen>
    __device__ void gather(const Product& product, const TilePlace& tile, int first_row, const ItemTerms& terms,
                           const Screen& screen) const {
        const int row = static_cast<int>(threadIdx.x) % kWarp;
        int columns = static_cast<int>(kItemTile);
        clear();
        for (int first = 0; first < static_cast<int>(kItemTile);) {
            const bool fits = __all_sync(kWholeWarp, screen(first, first + columns) < kRoom) != 0;
            __syncwarp();
            if (fits) {
                if (row < 16) append_hits(product, tile, first_row + row, terms, rows + row * kRoom, counts[row]);
                first += columns;
            } else {
                columns = max(columns / 4, kFewColumns);
            }
            __syncwarp();
            clear();
        }
    }
};

// Whether a tile of items has one that is allowed, for a query that is wanted of the cluster's `rows` from first_row
// on. The same in all warps of the cluster; each by itself.
__device__ inline bool has_work(const Product& product, std::int64_t first_row, std::int64_t rows,
                                std::int64_t first_item) {
    const std::int64_t lane = threadIdx.x % kWarp;
    if (product.some) {
        bool none = true;
        for (std::int64_t row = first_row + lane; row < min(first_row + rows, product.q); row += kWarp) {
            none = none && product.wanted[row] == 0;
        }
        if (__all_sync(kWholeWarp, none) != 0) return false;
    }
    if (all_allowed(product.allowed) || product.keep_all) return true;
    bool none = true;
    for (std::int64_t item = first_item + lane; item < min(first_item + kItemTile, product.n); item += kWarp) {
        none = none && !is_allowed(product.allowed, item);
    }
    return __all_sync(kWholeWarp, none) == 0;
}

// A block's turns, in the order in which all its warps take them.
template <int kCluster>
struct Turns {
    std::uint32_t stages, full, empty;
    int stage = 0, parity = 0;

    __device__ explicit Turns(std::uint32_t base)
        : stages(base),
          full(base + kStages * kStageBytes + static_cast<std::uint32_t>(offsetof(Beside, full))),
          empty(base + kStages * kStageBytes + static_cast<std::uint32_t>(offsetof(Beside, empty))) {}

    __device__ std::uint32_t at() const { return stages + stage * kStageBytes; }
    __device__ std::uint32_t items_at() const { return at() + static_cast<int>(kQueryTile) * kLineBytes; }
    __device__ void next() {
        if (++stage < kStages) return;
        stage = 0;
        parity ^= 1;
    }

    // By one thread, before any turn.
    __device__ void begin() const {
        for (int s = 0; s < kStages; ++s) {
            begin_barrier(full + s * 8, 1);
            begin_barrier(empty + s * 8, kCluster * kReaders);
        }
        publish_barriers();
    }
    __device__ void wait_empty() const { wait_barrier(empty + stage * 8, parity ^ 1); }
    __device__ void wait_full() const { wait_barrier(full + stage * 8, parity); }
    __device__ void expect() const { expect_bytes(full + stage * 8, kStageBytes); }
    // By a warp that has read a stage: to every block that copies into it.
    __device__ void release(int read) const {
        __syncwarp();
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
        if (lane < kCluster) arrive(empty + read * 8, lane);
    }
};

// Calls visit(place) for the tiles of this block, neighbouring clusters at the same items.
template <int kCluster, class Visit>
__device__ void each_tile(const Product& product, unsigned row_tiles, const Visit& visit) {
    const auto all = static_cast<unsigned>(product.count) * row_tiles;  // as many blocks as a grid may have, at most
    for (unsigned at = blockIdx.x / kCluster; at < all; at += gridDim.x / kCluster) {
        const auto query_tile = static_cast<int>(at % row_tiles * kCluster);
        const TilePlace place(product, static_cast<int>(at / row_tiles),
                              query_tile + static_cast<int>(blockIdx.x) % kCluster);
        if (has_work(product, kQueryTile * query_tile, kCluster * kQueryTile, place.first_item())) visit(place);
    }
}

// The warp that copies.
template <int kCluster>
__device__ void copy_tiles(const Product& product, const TileMap& queries, const TileMap& items, unsigned row_tiles,
                           Turns<kCluster> turns) {
    const auto rounds = static_cast<int>(product.database.width / kDepthTile);
    each_tile<kCluster>(product, row_tiles, [&](const TilePlace& tile) {
        for (int round = 0; round < rounds; ++round, turns.next()) {
            if (threadIdx.x % kWarp != 0) continue;
            turns.wait_empty();
            turns.expect();
            const std::uint32_t barrier = turns.full + turns.stage * 8;
            const std::int64_t column = round * kDepthTile;
            copy_tile<1>(turns.at(), queries, tile.first_row(), column, barrier);
            // Each block of a cluster brings one half to both; alone it brings both.
            for (int half = 0; half < 2 / kCluster; ++half) {
                const int lines = (kCluster == 1 ? half : static_cast<int>(blockIdx.x) % kCluster) * kHalfItems;
                copy_tile<kCluster>(turns.items_at() + lines * kLineBytes, items, tile.first_item() + lines, column,
                                    barrier);
            }
        }
        __syncwarp();
    });
}

// A warp that multiplies, of the warpgroup `group`.
template <int kCluster, bool kKeepAll>
__device__ void multiply_tiles(const Product& product, unsigned row_tiles, Beside& beside, Turns<kCluster> turns) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = warp / 4, thread = threadIdx.x % 128;
    const int row = warp * 16 + lane / 4, column = lane % 4 * 2;
    const auto rounds = static_cast<int>(product.database.width / kDepthTile);
    int which = 0;
    const WarpHits hits{beside.hits + warp * 16 * kRoom, beside.counts + warp * 16};
    each_tile<kCluster>(product, row_tiles, [&](const TilePlace& tile) {
        ItemTerms& terms = beside.terms[group][which ^= 1];  // the others may still be read by another warp
        const ItemTerms::Item mine[2] = {{product, tile.first_item() + thread},
                                         {product, tile.first_item() + 128 + thread}};
        const RowTest queries[2] = {{product, tile.first_row() + row}, {product, tile.first_row() + row + 8}};
        float sums[kTilesN][4] = {};
        int before = -1;  // the stage whose products may be under way
        for (int round = 0; round < rounds; ++round, turns.next()) {
            turns.wait_full();
            const std::uint64_t a = describe(turns.at() + group * 64 * kLineBytes), b = describe(turns.items_at());
            begin_products();
#pragma unroll
            for (int part = 0; part < static_cast<int>(kDepthTile) / 16; ++part) {
                multiply_add(sums, a + 2 * part, b + 2 * part);  // 32 bytes on
            }
            commit_products();
            if (round == 0) {  // memory has had time to answer
                terms.put(thread, mine[0]);
                terms.put(128 + thread, mine[1]);
            }
            wait_products<1>();
            if (before >= 0) turns.release(before);
            before = turns.stage;
        }
        wait_sums(sums);
        turns.release(before);

        meet_warpgroup(group);
        if constexpr (!kKeepAll) {
            const float residual = terms.largest_residual();
            const RowScreen screens[2] = {{queries[0], residual}, {queries[1], residual}};
            hits.gather(product, tile, warp * 16, terms, [&](int first, int end) {
                return screen_columns<2, kTilesN>(terms, hits, screens, {lane / 4, lane / 4 + 8}, column, first, end,
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
    });
}

template <int kCluster, bool kKeepAll>
__global__ void __launch_bounds__(kThreads, 1)
    product_kernel(const __grid_constant__ Product product, const __grid_constant__ TileMap queries,
                   const __grid_constant__ TileMap items, unsigned row_tiles) {
    auto& beside = *reinterpret_cast<Beside*>(dynamic_shared<unsigned char>() + kStages * kStageBytes);
    const Turns<kCluster> turns(shared_base());
    if (threadIdx.x == 0) turns.begin();
    __syncwarp();
    meet_cluster();
    if (threadIdx.x / kWarp >= kReaders) {
        give_registers<kCopierRegisters>();
        if (threadIdx.x / kWarp == kReaders) copy_tiles<kCluster>(product, queries, items, row_tiles, turns);
    } else {
        take_registers<kReaderRegisters>();
        multiply_tiles<kCluster, kKeepAll>(product, row_tiles, beside, turns);
    }
    __syncwarp();
    meet_cluster();
}

#else

template <int kCluster, bool kKeepAll>
__global__ void product_kernel(const __grid_constant__ Product, const __grid_constant__ TileMap,
                               const __grid_constant__ TileMap, unsigned) {}

#endif

template <int kCluster>
cudaError_t multiply_in(const Product& product, std::int64_t query_tiles, cudaStream_t stream) {
    const auto kernel = product.keep_all ? product_kernel<kCluster, true> : product_kernel<kCluster, false>;
    const std::int64_t row_tiles = (query_tiles + kCluster - 1) / kCluster;
    TileMap queries, items;
    const std::int64_t width = product.database.width;
    int clusters = 0;
    cudaError_t error = make_tile_map(queries, product.queries.values, Sidecar::padded_rows(product.q), width,
                                      static_cast<int>(kQueryTile));
    if (error == cudaSuccess) {
        error = make_tile_map(items, product.database.values, Sidecar::padded_rows(product.n), width, kHalfItems);
    }
    if (error == cudaSuccess) error = allow_shared(kernel, kSharedBytes);
    if (error == cudaSuccess) error = most_clusters(kernel, kCluster, kThreads, kSharedBytes, &clusters);
    if (error == cudaSuccess && clusters < 1) error = cudaErrorInvalidValue;
    if (error == cudaSuccess) {
        // One more would not run beside the others but after them.
        const std::int64_t wanted = std::min<std::int64_t>(clusters, product.count * row_tiles);
        error = start_clusters(kernel, static_cast<int>(wanted), kCluster, kThreads, kSharedBytes, stream, product,
                               queries, items, static_cast<unsigned>(row_tiles));
    }
    if (error != cudaSuccess) cudaGetLastError();
    return error;
}

}  // namespace

cudaError_t multiply_bulk(const Product& product, cudaStream_t stream) {
    const std::int64_t query_tiles = (product.q + kQueryTile - 1) / kQueryTile;
    // Of 1 or 3 tiles a cluster would waste a half or a quarter on padding.
    return query_tiles % 2 == 0 || query_tiles > 4 ? multiply_in<2>(product, query_tiles, stream)
                                                   : multiply_in<1>(product, query_tiles, stream);
}

}  // namespace rsir::cuda
