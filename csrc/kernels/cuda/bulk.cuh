// Tiles copied by the tensor memory accelerator of sm_90, barriers in shared memory that count their bytes, and
// clusters of blocks. Not run on a device yet. tests/kernels/simt has the same for the host.
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <type_traits>

namespace rsir::cuda {

// --- Host -----------------------------------------------------------------------------------------------------------

// How a matrix of halves is cut into tiles of `lines` rows by 64 elements, whose lines of 128 bytes arrive swizzled as
// describe() of warpgroup.cuh has them: in a line r, chunk c of 16 bytes at c ^ (r & 7).
struct TileMap {
    CUtensorMap map;
};

// values [rows, width], 16-byte aligned, width a multiple of 64.
inline cudaError_t make_tile_map(TileMap& tiles, const void* values, std::int64_t rows, std::int64_t width, int lines) {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult found;  // of the driver that is loaded: this library is not linked with one
#if CUDART_VERSION >= 12050
    const cudaError_t error =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found);
#else
    const cudaError_t error = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &entry, cudaEnableDefault, &found);
#endif
    if (error != cudaSuccess) return error;
    if (found != cudaDriverEntryPointSuccess) return cudaErrorNotSupported;
    const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(width), static_cast<cuuint64_t>(rows)};
    const cuuint64_t row_bytes[1] = {static_cast<cuuint64_t>(width) * 2};
    const cuuint32_t box[2] = {64, static_cast<cuuint32_t>(lines)}, steps[2] = {1, 1};
    const CUresult made = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(entry)(
        &tiles.map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, const_cast<void*>(values), sizes, row_bytes, box, steps,
        CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return made == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

// Clusters of `size` neighbouring blocks that the device holds at once.
template <class... Parameters>
cudaError_t most_clusters(void (*kernel)(Parameters...), int size, int threads, std::size_t shared_bytes, int* most) {
    cudaLaunchAttribute cluster = {};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {static_cast<unsigned>(size), 1, 1};
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(size));
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = shared_bytes;
    config.attrs = &cluster;
    config.numAttrs = 1;
    return cudaOccupancyMaxActiveClusters(most, kernel, &config);
}

// As start() of device.cuh.
template <class... Parameters>
cudaError_t start_clusters(void (*kernel)(Parameters...), int clusters, int size, int threads, std::size_t shared_bytes,
                           cudaStream_t stream, std::common_type_t<Parameters>... arguments) {
    cudaLaunchAttribute cluster = {};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {static_cast<unsigned>(size), 1, 1};
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(clusters * size));
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    config.attrs = &cluster;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

// --- Device ---------------------------------------------------------------------------------------------------------

// A barrier is 8 bytes of shared memory. Its phase ends when as many have arrived as it was begun with, and as many
// bytes have come as were expected; the next one begins at once. Phases are numbered from 0 and told apart by parity:
// a wait for one that is not over, or not begun, must be for the one at hand; phase -1 is over from the beginning.
__device__ inline void begin_barrier(std::uint32_t barrier, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// After all were begun, before the cluster meets.
__device__ inline void publish_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

// Arrives, and says how many bytes the phase at hand must bring.
__device__ inline void expect_bytes(std::uint32_t barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
// At the barrier that a block of the cluster has at this address.
__device__ inline void arrive(std::uint32_t barrier, int block) {
    asm volatile(
        "{\n"
        ".reg .b32 there;\n"
        "mapa.shared::cluster.u32 there, %0, %1;\n"
        "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
        "}" ::"r"(barrier),
        "r"(block)
        : "memory");
}

// Until the barrier's last phase of this parity is over. What takes longer than any honest wait ends the kernel with an
// error: a barrier that is wrong must not hang the device.
__device__ inline void wait_barrier(std::uint32_t barrier, int parity) {
    constexpr std::uint64_t kPatience = 8'000'000'000;  // ns
    const auto now = [] {
        std::uint64_t time;
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time));
        return time;
    };
    std::uint64_t begun = 0;
    for (unsigned tries = 0;; ++tries) {
        std::uint32_t over;
        asm volatile(
            "{\n"
            ".reg .pred over;\n"
            "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n"
            "selp.u32 %0, 1, 0, over;\n"
            "}"
            : "=r"(over)
            : "r"(barrier), "r"(parity)
            : "memory");
        if (over != 0) return;
        if (tries % 1024 != 1023) continue;
        if (begun == 0) {
            begun = now();
        } else if (now() - begun > kPatience) {
            __trap();
        }
    }
}

// A tile whose first element is (row, column), to `to` (1024-byte aligned), where `barrier` counts its bytes; by one
// thread. To all kBlocks of the cluster: at the same addresses of each.
template <int kBlocks>
__device__ void copy_tile(std::uint32_t to, const TileMap& from, std::int64_t row, std::int64_t column,
                          std::uint32_t barrier) {
    const auto map = reinterpret_cast<std::uint64_t>(&from.map);
    const auto x = static_cast<std::int32_t>(column), y = static_cast<std::int32_t>(row);
    if constexpr (kBlocks == 1) {
        asm volatile(
            "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], "
            "[%4];" ::"r"(to),
            "l"(map), "r"(x), "r"(y), "r"(barrier)
            : "memory");
    } else {
        constexpr std::uint16_t kAll = (1u << kBlocks) - 1;
        asm volatile(
            "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
            "[%1, {%2, %3}], [%4], %5;" ::"r"(to),
            "l"(map), "r"(x), "r"(y), "r"(barrier), "h"(kAll)
            : "memory");
    }
}

// All threads of all blocks of the cluster: what they wrote before is seen after.
__device__ inline void meet_cluster() {
    asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}
// The 128 threads of a warpgroup of the block; group < 15.
__device__ inline void meet_warpgroup(int group) { asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); }

// A warpgroup's threads go on with fewer registers than they began with; with more, when others have given theirs.
template <int kRegisters>
__device__ void give_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace rsir::cuda
