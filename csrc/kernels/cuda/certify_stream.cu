#include "kernels/cuda/certify_product.cuh"
#include "kernels/cuda/launch.cuh"

// The product for few queries: reading is all that costs. A warp takes four items at a time; each lane multiplies 16
// codes of all of them with both words of every query.
namespace rsir::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kItems = 4;
constexpr int kChunk = 16;  // codes a lane at a time

__device__ inline int add_products(const int4& a, const int4& b, int sum) {
    return __dp4a(a.w, b.w, __dp4a(a.z, b.z, __dp4a(a.y, b.y, __dp4a(a.x, b.x, sum))));
}

// kWhere: not all items are allowed.
template <int kQueries, bool kWhere>
__global__ void __launch_bounds__(kThreads, 2) stream_kernel(const __grid_constant__ Product product) {
    if (nothing_wanted(product, 0)) return;
    const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
    const std::int64_t step = product.first + blockIdx.x, width = product.database.width;
    const std::int64_t first_item = step * product.stride % product.tiles * kItemTile;
    const auto* queries = static_cast<const std::int8_t*>(product.queries.values) + lane * kChunk;
    const Pair<kQueries, kItems> pair;
    const RowTest query(product, min(pair.query, static_cast<int>(product.q) - 1));
    for (int column = warp * kItems; column < static_cast<int>(kItemTile); column += kWarps * kItems) {
        const auto* items =
            static_cast<const std::int8_t*>(product.database.values) + (first_item + column) * width + lane * kChunk;
        // Items of which none is allowed are not read.
        const bool any = !kWhere || allowed_bits(product.allowed, first_item + column, kItems, product.n) != 0;
        int high[kQueries * kItems] = {}, low[kQueries * kItems] = {};
#pragma unroll(kQueries >= 4 ? 1 : 2)
        for (std::int64_t i = 0; any && i < width - lane * kChunk; i += kWarp * kChunk) {
            int4 item[kItems];
#pragma unroll
            for (int r = 0; r < kItems; ++r) item[r] = *reinterpret_cast<const int4*>(items + r * width + i);
#pragma unroll
            for (int j = 0; j < kQueries; ++j) {
                // Queries beyond the last one are padding of the sidecar's tile.
                const int4 h = __ldg(reinterpret_cast<const int4*>(queries + 2 * j * width + i));
                const int4 l = __ldg(reinterpret_cast<const int4*>(queries + (2 * j + 1) * width + i));
#pragma unroll
                for (int r = 0; r < kItems; ++r) {
                    int &highs = high[r * kQueries + j], &lows = low[r * kQueries + j];
                    highs = add_products(h, item[r], highs);
                    lows = add_products(l, item[r], lows);
                }
            }
        }
        const int highs = fold_pairs<kWarp / 2>(high, lane), lows = fold_pairs<kWarp / 2>(low, lane);
        if (pair.leader && pair.query < product.q) {
            const std::int64_t item = first_item + column + pair.row;
            const float norm = product.database.norm[item], residual = product.database.residual[item];
            const ItemTerms::Screen terms{Cut::low(product.sum_error, norm, residual), product.database.scale[item]};
            const float found = sum_of_words(highs, lows);
            if (product.keep_all) {
                query.keep(blockIdx.x, column + pair.row, query.key(product, item, terms.scale, found));
            } else if (!query.excludes(terms, residual, found)) {
                query.append(product, query.key(product, item, terms.scale, found));
            }
        }
    }
}

template <int kQueries>
cudaError_t stream_queries(const Product& product, cudaStream_t stream) {
    const auto kernel = product.allowed.all() ? stream_kernel<kQueries, false> : stream_kernel<kQueries, true>;
    return launch(kernel, static_cast<unsigned>(product.count), kThreads, 0, stream, product);
}

}  // namespace

cudaError_t multiply_stream(const Product& product, cudaStream_t stream) {
    if (product.q == 1) return stream_queries<1>(product, stream);
    if (product.q == 2) return stream_queries<2>(product, stream);
    return product.q <= 4 ? stream_queries<4>(product, stream) : stream_queries<8>(product, stream);
}

}  // namespace rsir::cuda
