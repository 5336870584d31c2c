// What the kernels of Hamming search share.
#pragma once

#include "kernels/cuda/hamming_topk.h"

namespace rsir::cuda {

__device__ inline std::uint64_t load_word(const std::uint64_t* words) {
    return static_cast<std::uint64_t>(__ldg(reinterpret_cast<const unsigned long long*>(words)));
}

constexpr int kManyQueries = 128, kManyItems = 256;  // a block's tile of hamming_many, at the most

// One phase of hamming_many: the keys below a query's limit are appended to those that it has.
struct HammingPass {
    HammingProblem problem;
    int counted;        // bits of a code that count
    int tiles, stride;  // the walk (walk.h), of which this is [first, first + count)
    int first, count;
    std::int64_t kept;  // room for a query's keys
    Key* keys;          // [q, kept]
    int* counts;        // [q], unsigned: counts on beyond `kept`, where there is no more room
    const Key* limits;  // [q]
};

// sm_80 to sm_89, where the current device is one of them and this build has code for it.
cudaError_t hamming_sm80_runs(bool* runs);
cudaError_t hamming_pass_sm80(const HammingPass& pass, cudaStream_t stream);
// sm_90a only.
cudaError_t hamming_pass_sm90(const HammingPass& pass, cudaStream_t stream);

}  // namespace rsir::cuda
