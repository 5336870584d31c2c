// Selection of the k smallest 64-bit keys (kernels/cpu/topk.h: distance bits above the id) by a block, and the merge of
// several blocks' selections. All keys differ, so the answer does not depend on the order in which they are pushed.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace rsir::cuda {

using Key = std::uint64_t;

constexpr Key kNoKey = ~Key{0};
constexpr std::int64_t kMostSelected = 2048;  // by a block in shared memory; beyond, sort all keys

// Keys that a block buffers while it keeps k of them: a power of two of at least 2k.
constexpr int selection_capacity(std::int64_t k) {
    int capacity = 512;
    while (capacity < 2 * k) capacity *= 2;
    return capacity;
}

// keys [q, stride], of which the first m, or counts[row] if not null -> the k smallest of each row, in order: words
// [q, k] the upper halves (distance bits), ids [q, k] the lower. Slots beyond the keys given (or kNoKey) hold `missing`
// and -1. k <= kMostSelected. wanted [q], or null: not 0 for the rows to do.
struct Selection {
    const Key* keys;
    std::int64_t q, stride, m;
    const int* counts;
    const int* wanted;
    std::int64_t k;
    std::uint32_t missing;
    std::uint32_t* words;
    std::int64_t* ids;
};

cudaError_t select_smallest(const Selection& selection, cudaStream_t stream);

#ifdef __CUDACC__

__device__ inline Key make_key(std::uint32_t distance, std::uint32_t id) { return (Key{distance} << 32) | id; }

// Bitonic sort by the whole block; size is a power of two.
__device__ inline void sort_keys(Key* keys, int size) {
    for (int width = 2; width <= size; width *= 2) {
        for (int step = width / 2; step > 0; step /= 2) {
            __syncthreads();
            for (int i = static_cast<int>(threadIdx.x); i < size / 2; i += static_cast<int>(blockDim.x)) {
                const int low = 2 * i - (i & (step - 1)), high = low + step;
                const Key a = keys[low], b = keys[high];
                if ((a > b) == ((low & width) == 0)) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
        }
    }
    __syncthreads();
}

// One query's candidates, in shared memory: `count` keys, of which those above `limit` cannot be in the answer.
struct Candidates {
    Key* keys;  // [capacity]
    int* count;
    Key* limit;
    int capacity, k;

    // The whole block, before a barrier.
    __device__ void clear() const {
        if (threadIdx.x == 0) {
            *count = 0;
            *limit = kNoKey;
        }
    }

    // Any thread, at any time between two barriers; false: there was no room, push again after cut().
    __device__ bool push(Key key) const {
        if (key >= *limit) return true;
        const int place = atomicAdd(count, 1);
        if (place >= capacity) return false;
        keys[place] = key;
        return true;
    }

    __device__ bool full() const { return *count > capacity; }

    // The whole block, after a barrier: sorts, and keeps the k smallest.
    __device__ void cut() const {
        const int filled = min(*count, capacity);
        for (int i = filled + static_cast<int>(threadIdx.x); i < capacity; i += static_cast<int>(blockDim.x)) {
            keys[i] = kNoKey;
        }
        sort_keys(keys, capacity);
        if (threadIdx.x == 0) {
            *count = min(filled, k);
            *limit = keys[k - 1];
        }
        __syncthreads();
    }
};

#endif

}  // namespace rsir::cuda
