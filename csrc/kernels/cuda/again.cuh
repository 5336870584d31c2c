// Queries that a fast pass has failed in, known on the device only, and how the blocks of a scan share them.
#pragma once

#include <algorithm>

#include "kernels/cuda/select.h"

namespace rsir::cuda {

constexpr std::int64_t kMostLists = 1024;  // of the k best of a part, but one a query if those are more

// Lists of k keys that a scan of some of q queries may fill: its workspace.
inline std::int64_t most_lists(std::int64_t q) { return std::max(q, kMostLists); }

// `queries` [1 + q]: how many there are, then which. The database is split for them so that about four blocks run on
// each multiprocessor, however few of the queries there are.
inline cudaError_t share_again(const int* queries, std::int64_t q, std::int64_t n, std::int64_t least_part,
                               Again* again) {
    int device = 0, multiprocessors = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess) {
        error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    }
    again->queries = queries;
    again->lists = static_cast<int>(std::max(q, std::min<std::int64_t>(kMostLists, 4LL * multiprocessors)));
    again->most_parts = static_cast<int>(std::clamp<std::int64_t>(n / least_part, 1, kMostLists));
    return error;
}

// What a block of a scan has to do.
struct Share {
    bool any;
    int query, row;  // the first query, and its row of keys
    int part, parts;

    // Of a grid [queries / kQueries, parts]; or, again, of one [lists].
    template <int kQueries>
    static __device__ Share of(const Again& again) {
        const int first = static_cast<int>(blockIdx.x) * kQueries;
        if (again.queries == nullptr) {
            return {true, first, first, static_cast<int>(blockIdx.y), static_cast<int>(gridDim.y)};
        }
        const int parts = again.parts();
        const int row = static_cast<int>(blockIdx.x) / parts;
        if (row >= again.queries[0]) return {false, 0, 0, 0, 1};
        return {true, again.queries[1 + row], row, static_cast<int>(blockIdx.x) % parts, parts};
    }
};

}  // namespace rsir::cuda
