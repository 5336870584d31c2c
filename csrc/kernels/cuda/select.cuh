// Selection of the k smallest keys (select.h) by a block.
#pragma once

#include "kernels/cuda/lanes.cuh"
#include "kernels/cuda/select.h"

namespace rsir::cuda {

__device__ inline Key make_key(std::uint32_t distance, std::uint32_t id) { return (Key{distance} << 32) | id; }

// Bitonic sort by the whole block, of whole warps; size is a power of two. In steps of up to a warp's length each warp
// stays within 64 keys, which are its own: between two of those it waits for itself alone.
__device__ inline void sort_keys(Key* keys, int size) {
    __syncthreads();
    for (int width = 2; width <= size; width *= 2) {
        for (int step = width / 2; step > 0; step /= 2) {
            if (step >= kWarp) {
                __syncthreads();
            } else {
                __syncwarp();
            }
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
    __device__ void cut() const { cut(capacity); }
    // The same of what is there in the end, which may be much less.
    __device__ void finish() const {
        int size = 2 * kWarp;
        while (size < max(*count, k) && size < capacity) size *= 2;
        cut(size);
    }

  private:
    __device__ void cut(int size) const {
        const int filled = min(*count, size);
        for (int i = filled + static_cast<int>(threadIdx.x); i < size; i += static_cast<int>(blockDim.x)) {
            keys[i] = kNoKey;
        }
        sort_keys(keys, size);
        if (threadIdx.x == 0) {
            *count = min(filled, k);
            *limit = keys[k - 1];
        }
        __syncthreads();
    }
};

// Pushes keys[0, m), by the whole block of kThreads; afterwards the candidates are sorted.
template <int kThreads, int kItems>
__device__ void collect(const Candidates& candidates, const Key* keys, std::int64_t m) {
    candidates.clear();
    __syncthreads();
    for (std::int64_t base = 0; base < m; base += kThreads * kItems) {
        Key mine[kItems];
#pragma unroll
        for (int u = 0; u < kItems; ++u) {
            const std::int64_t i = base + u * kThreads + threadIdx.x;
            mine[u] = i < m ? keys[i] : kNoKey;
        }
        unsigned left = (1u << kItems) - 1;
        const auto push = [&] {
#pragma unroll
            for (int u = 0; u < kItems; ++u) {
                if ((left >> u & 1) != 0 && candidates.push(mine[u])) left &= ~(1u << u);
            }
        };
        push();
        while (__syncthreads_or(left != 0)) {  // then the candidates are full
            candidates.cut();
            push();
        }
    }
    __syncthreads();
    candidates.finish();
}

constexpr int kMostRounds = 31;

// A bound that k of numbers [m] are up to, more only where several are equal; infinity as a float's bits where so many
// are not below that. Numbers in shared memory, by the whole block after a barrier; counts [kMostRounds] there are 0.
template <int kThreads>
__device__ std::uint32_t bound_of_smallest(const std::uint32_t* numbers, int m, int k, int* counts) {
    std::uint32_t low = 0, high = 0x7f800000u;
    for (int round = 0; low < high; ++round) {
        const std::uint32_t middle = low + (high - low) / 2;
        int count = 0;
        for (int i = static_cast<int>(threadIdx.x); i < m; i += kThreads) count += numbers[i] <= middle ? 1 : 0;
        for (int half = kWarp / 2; half >= 1; half /= 2) count += __shfl_xor_sync(kWholeWarp, count, half);
        if (threadIdx.x % kWarp == 0) atomicAdd(counts + round, count);
        __syncthreads();
        count = counts[round];
        if (count == k) return middle;
        if (count < k) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return high;
}

}  // namespace rsir::cuda
