// What the passes of hamming_many share: a block's way through the tiles, the keys that it appends, and its launch.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/cuda/allowed.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/hamming.cuh"
#include "kernels/cuda/select.cuh"

namespace rsir::cuda {

constexpr int kPassThreads = 256;
constexpr int kHalf = kManyItems / 2;  // items that a block multiplies by its queries at a time

using HammingSums = std::int32_t[16][4];  // a thread's share of a product

// Tiles of the walk that one block visits: the current one.
struct Visit {
    int tile, advance, tiles;

    __device__ Visit(const HammingPass& pass, int slice, int slices) : tiles(pass.tiles) {
        tile = static_cast<int>((static_cast<std::int64_t>(pass.first) + slice) * pass.stride % tiles);
        advance = static_cast<int>(static_cast<std::int64_t>(slices) * pass.stride % tiles);
    }
    __device__ void next() {
        tile += advance;
        if (tile >= tiles) tile -= tiles;
    }
};

// Bits that count of word w of a code; words beyond it have none.
__device__ inline std::uint64_t mask_of(const HammingProblem& problem, int words, int w) {
    return w >= words ? 0 : w == words - 1 ? problem.mask : ~std::uint64_t{0};
}

// Calls store(line, w, word, mask) for the first `stored` words, at least those of a code, of a block's queries. Lines
// beyond the queries are their last again.
template <int kQueries, class Store>
__device__ void each_query_word(const HammingProblem& problem, int words, int stored, int first_query,
                                const Store& store) {
    for (int i = static_cast<int>(threadIdx.x); i < stored * kQueries; i += kPassThreads) {
        const int line = i % kQueries, w = i / kQueries;
        const std::int64_t query = min(first_query + line + 0LL, problem.q - 1LL);
        store(line, w, w < words ? problem.queries[query * words + w] : 0, mask_of(problem, words, w));
    }
}

// Word i of a tile. Words beyond the database are its last again.
__device__ inline std::uint64_t load_item(const HammingProblem& problem, int words, int tile, int i) {
    if (words == 1) {  // 32 bits number items, though not their words
        const std::uint32_t item = static_cast<std::uint32_t>(tile) * kManyItems + static_cast<std::uint32_t>(i);
        const auto last = static_cast<std::uint32_t>(problem.n - 1);
        return load_word(problem.database + (item < last ? item : last));
    }
    const std::int64_t at = static_cast<std::int64_t>(tile) * kManyItems * words + i;
    return load_word(problem.database + min(at + 0LL, problem.n * words - 1LL));
}

// What a query's distances are held against; -1, below all, where there is no such query.
__device__ inline std::int32_t worst_of(const HammingPass& pass, std::int64_t query) {
    if (query >= pass.problem.q) return -1;
    return static_cast<std::int32_t>(min(static_cast<long long>(pass.limits[query] >> 32), pass.counted + 0LL));
}

// Appends the keys of one query's allowed items that are below its limit. The thread's item i is `first_item` + i / 2 *
// 8 + i % 2, and there is none `room` or more beyond the first; distance_of(i); parts of 8 with none below need no
// look: has(part).
template <int kParts, class Distance, class Has>
__device__ void append(const HammingPass& pass, std::int64_t query, std::uint32_t first_item, int room,
                       const Distance& distance_of, const Has& has) {
    const Key limit = pass.limits[query];
    const auto key_of = [&](int i) { return make_key(distance_of(i), first_item + i / 2 * 8 + i % 2); };
    unsigned hits = 0;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
        if (!has(part)) continue;
#pragma unroll
        for (int i = part * 8; i < (part + 1) * 8; ++i) {
            if (key_of(i) < limit && i / 2 * 8 + i % 2 < room) hits |= 1u << i;
        }
    }
    if (!all_allowed(pass.problem.allowed)) {
        for (unsigned rest = hits; rest != 0; rest &= rest - 1) {
            const int i = __ffs(static_cast<int>(rest)) - 1;
            if (!is_allowed(pass.problem.allowed, std::int64_t{first_item} + i / 2 * 8 + i % 2)) hits &= ~(1u << i);
        }
    }
    if (hits == 0) return;
    // One for all, as the first phase keeps every item; unsigned, as there may be more than 2^31 of them.
    auto place = static_cast<std::uint32_t>(atomicAdd(pass.counts + query, __popcll(hits)));
    Key* keys = pass.keys + query * pass.kept;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
        if ((hits >> part * 8 & 0xff) == 0) continue;
#pragma unroll
        for (int i = part * 8; i < (part + 1) * 8; ++i) {
            if ((hits >> i & 1) == 0) continue;
            if (place < pass.kept) keys[place] = key_of(i);
            ++place;
        }
    }
}

// One block's share of a pass. kWords: words a code where known at compile time, else 0. Counter, of the instructions:
//   kQueries: of a block; kTurns: products of each warp with a tile; kUnrolled: that many have code of their own
//   half_of(turn): of the tile that a warp multiplies
//   store_queries(first_query), store_item(round, i, word): into shared memory, of which two tiles have their places
//   stored(): those stores are done
//   read_limits(first_query)
//   multiply(sums, round, half), finish(sums): the sums may be read from here on
//   test(sums, tile, half): appends
template <int kWords, class Counter>
__device__ void visit_tiles(const HammingPass& pass, int query_tiles, int slices) {
    const HammingProblem& problem = pass.problem;
    const int words = kWords == 0 ? problem.words : kWords;
    const int slice = static_cast<int>(blockIdx.x) / query_tiles;
    const int first_query = static_cast<int>(blockIdx.x) % query_tiles * Counter::kQueries;
    const int rounds = (pass.count - slice + slices - 1) / slices;
    Counter counter(pass, words);
    Visit visit(pass, slice, slices), ahead = visit;

    // A tile's words are on their way to registers while the one before is worked on.
    std::uint64_t item[kWords == 0 ? 1 : kWords];
    const auto load = [&] {
#pragma unroll
        for (int w = 0; w < kWords; ++w) {
            item[w] = load_item(problem, kWords, ahead.tile, w * kPassThreads + static_cast<int>(threadIdx.x));
        }
    };
    const auto store = [&](int round) {
        if constexpr (kWords == 0) {
#pragma unroll 4
            for (int w = 0; w < words; ++w) {
                const int i = w * kPassThreads + static_cast<int>(threadIdx.x);
                counter.store_item(round, i, load_item(problem, words, ahead.tile, i));
            }
        } else {
#pragma unroll
            for (int w = 0; w < kWords; ++w) {
                counter.store_item(round, w * kPassThreads + static_cast<int>(threadIdx.x), item[w]);
            }
        }
        counter.stored();  // before the next load, for which it would wait
    };
    load();
    counter.store_queries(first_query);
    store(0);
    ahead.next();
    if (rounds > 1) load();
    counter.read_limits(first_query);
    for (int round = 0; round < rounds; ++round) {
        __syncthreads();  // this tile is there, and the products with the one before are done
#pragma unroll Counter::kUnrolled
        for (int turn = 0; turn < Counter::kTurns; ++turn) {
            const int half = counter.half_of(turn);
            HammingSums sums;
            counter.multiply(sums, round, half);
            if (turn == 0 && round + 1 < rounds) {
                store(round + 1);
                ahead.next();
                if (round + 2 < rounds) load();
            }
            counter.finish(sums);
            counter.test(sums, visit.tile, half);
            __syncwarp();  // the whole warp comes to the next product
        }
        visit.next();
    }
}

// Calls launch_words(words, query_tiles, slices) with the words of a code as a constant: 0 where there are many. Two
// blocks share a multiprocessor: one tests while the other multiplies.
template <class Launch>
cudaError_t launch_pass(const HammingPass& pass, int block_queries, const Launch& launch_words) {
    int device = 0, multiprocessors = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    if (error != cudaSuccess) return error;
    const auto query_tiles = static_cast<int>((pass.problem.q + block_queries - 1) / block_queries);
    const int slices = std::clamp(2 * multiprocessors / query_tiles, 1, pass.count);
    switch (pass.problem.words) {
        case 1:
            return launch_words(std::integral_constant<int, 1>(), query_tiles, slices);
        case 2:
            return launch_words(std::integral_constant<int, 2>(), query_tiles, slices);
        case 3:
            return launch_words(std::integral_constant<int, 3>(), query_tiles, slices);
        case 4:
            return launch_words(std::integral_constant<int, 4>(), query_tiles, slices);
        default:
            return launch_words(std::integral_constant<int, 0>(), query_tiles, slices);
    }
}

}  // namespace rsir::cuda
