#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/select.cuh"

namespace rsir::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kItems = 4;  // keys a thread between two barriers

__global__ void __launch_bounds__(kThreads) select_kernel(Selection selection, int capacity) {
    const int k = static_cast<int>(selection.k);
    std::int64_t query = blockIdx.x, stride = selection.stride, m = selection.m;
    if (selection.again.queries != nullptr) {
        if (query >= selection.again.queries[0]) return;
        query = selection.again.queries[1 + query];
        stride = m = static_cast<std::int64_t>(k) * selection.again.parts();
    }
    if (selection.wanted != nullptr && selection.wanted[query] == 0) return;
    const Key* keys = selection.keys + blockIdx.x * stride;
    if (selection.counts != nullptr) m = selection.counts[query];
    Key* const buffer = dynamic_shared<Key>();
    __shared__ int count;
    __shared__ Key limit;
    const Candidates candidates{buffer, &count, &limit, capacity, k};
    collect<kThreads, kItems>(candidates, keys, m);
    for (int rank = static_cast<int>(threadIdx.x); rank < k; rank += kThreads) {
        const Key key = buffer[rank];
        selection.words[query * k + rank] = key == kNoKey ? selection.missing : static_cast<std::uint32_t>(key >> 32);
        selection.ids[query * k + rank] = key == kNoKey ? -1 : static_cast<std::int64_t>(key & 0xffffffffu);
    }
}

// One block.
__global__ void __launch_bounds__(kThreads) list_kernel(const int* flags, std::int64_t q, int* queries) {
    __shared__ int count;
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
    for (std::int64_t query = threadIdx.x; query < q; query += blockDim.x) {
        if (flags[query] != 0) queries[1 + atomicAdd(&count, 1)] = static_cast<int>(query);
    }
    __syncthreads();
    if (threadIdx.x == 0) queries[0] = count;
}

}  // namespace

cudaError_t list_flagged(const int* flags, std::int64_t q, int* queries, cudaStream_t stream) {
    return launch(list_kernel, 1, kThreads, 0, stream, flags, q, queries);
}

cudaError_t select_smallest(const Selection& selection, cudaStream_t stream) {
    if (selection.q == 0 || selection.k == 0) return cudaSuccess;
    const int capacity = selection_capacity(selection.k);
    const std::size_t bytes = static_cast<std::size_t>(capacity) * sizeof(Key);
    return launch(select_kernel, static_cast<unsigned>(selection.q), kThreads, bytes, stream, selection, capacity);
}

}  // namespace rsir::cuda
