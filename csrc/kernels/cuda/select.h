// Selection of the k smallest 64-bit keys (kernels/cpu/topk.h: distance bits above the id) by a block, and the merge of
// several blocks' selections. All keys differ, so the answer does not depend on the order in which they are pushed.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace rsir::cuda {

using Key = std::uint64_t;

constexpr Key kNoKey = ~Key{0};
constexpr Key kLastKey = kNoKey >> 1;  // of an item that is not allowed where all keys are sorted, as signed numbers
constexpr std::int64_t kMostSelected = 2048;  // by a block in shared memory; beyond, sort all keys

// Keys that a block buffers while it keeps k of them: a power of two of at least 2k.
constexpr int selection_capacity(std::int64_t k) {
    int capacity = 512;
    while (capacity < 2 * k) capacity *= 2;
    return capacity;
}

// Items in each of `parts` parts of n, in whole tiles; the last parts may have none.
__host__ __device__ constexpr std::int64_t part_size(std::int64_t n, std::int64_t parts, std::int64_t tile) {
    return ((n + parts - 1) / parts + tile - 1) / tile * tile;
}

// Some of the queries of a search, which only the device knows: queries[0] of them, then which. `lists` lists of k keys
// are shared evenly among them, up to most_parts each. Null: all queries.
struct Again {
    const int* queries = nullptr;
    int lists = 0, most_parts = 1;

    __device__ int parts() const {
        const int each = queries[0] <= 1 ? lists : lists / queries[0];
        return each < most_parts ? each : most_parts;
    }
};

// keys [q, stride], of which the first m, or counts[row] if not null -> the k smallest of each row, in order: words
// [q, k] the upper halves (distance bits), ids [q, k] the lower. Slots beyond the keys given (or kNoKey) hold `missing`
// and -1. k <= kMostSelected. wanted [q], or null: not 0 for the rows to do. again: row r of keys, k * parts() of them,
// is that of its r-th query.
struct Selection {
    const Key* keys;
    std::int64_t q, stride, m;
    const int* counts;
    const int* wanted;
    std::int64_t k;
    std::uint32_t missing;
    std::uint32_t* words;
    std::int64_t* ids;
    Again again = {};
};

// queries [1 + q]: how many queries have their flag set, then which, in any order.
cudaError_t list_flagged(const int* flags, std::int64_t q, int* queries, cudaStream_t stream);

cudaError_t select_smallest(const Selection& selection, cudaStream_t stream);

}  // namespace rsir::cuda
