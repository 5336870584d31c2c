// The host's twin of csrc/kernels/cuda/bulk.cuh.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda_runtime_api.h"
#include "kernels/cuda/device.cuh"

namespace rsir::cuda {

struct TileMap {
    const unsigned char* values;
    std::int64_t rows, row_bytes;
    int lines;
};

inline cudaError_t make_tile_map(TileMap& tiles, const void* values, std::int64_t rows, std::int64_t width, int lines) {
    if (reinterpret_cast<std::uintptr_t>(values) % 16 != 0 || width % 64 != 0 || lines > 256) {
        return cudaErrorInvalidValue;
    }
    tiles = {static_cast<const unsigned char*>(values), rows, 2 * width, lines};
    return cudaSuccess;
}

template <class... Parameters>
cudaError_t most_clusters(void (*)(Parameters...), int size, int, std::size_t, int* most) {
    *most = simt::device().multiprocessors / size;
    return cudaSuccess;
}

template <class... Parameters>
cudaError_t start_clusters(void (*kernel)(Parameters...), int clusters, int size, int threads, std::size_t shared_bytes,
                           cudaStream_t, std::common_type_t<Parameters>... arguments) {
    if (shared_bytes > static_cast<std::size_t>(simt::allowed(reinterpret_cast<void*>(kernel)))) {
        return simt::last_error() = cudaErrorInvalidValue;
    }
    simt::run(
        {static_cast<unsigned>(clusters * size), 1, 1}, static_cast<unsigned>(threads), shared_bytes,
        [&] { kernel(arguments...); }, static_cast<unsigned>(size));
    return cudaSuccess;
}

inline void begin_barrier(std::uint32_t barrier, int arrivals) { simt::begin_transfers(barrier, arrivals); }
inline void publish_barriers() {}
inline void expect_bytes(std::uint32_t barrier, int bytes) { simt::expect_transfers(barrier, bytes); }
inline void arrive(std::uint32_t barrier, int block) { simt::arrive(barrier, static_cast<unsigned>(block)); }
inline void wait_barrier(std::uint32_t barrier, int parity) {
    simt::wait_transfers(barrier, static_cast<unsigned>(parity));
}

template <int kBlocks>
void copy_tile(std::uint32_t to, const TileMap& from, std::int64_t row, std::int64_t column, std::uint32_t barrier) {
    if (to % 1024 != 0 || column % 64 != 0) simt::broken("a tile that is not aligned");
    if (row < 0 || row + from.lines > from.rows || 2 * (column + 64) > from.row_bytes) {
        simt::broken("a tile that is not within its matrix");
    }
    const unsigned own = simt::self().block.x % simt::blocks_of_cluster();
    for (unsigned block = kBlocks == 1 ? own : 0; block < (kBlocks == 1 ? own + 1 : kBlocks); ++block) {
        simt::transfer(block, barrier, from.lines * 128, [=] {
            for (int line = 0; line < from.lines; ++line) {
                const unsigned char* const bytes = from.values + (row + line) * from.row_bytes + 2 * column;
                for (std::uint32_t chunk = 0; chunk < 8; ++chunk) {
                    const std::uint32_t address = to + static_cast<std::uint32_t>(line) * 128 + chunk * 16;
                    std::memcpy(simt::shared_of(block, address ^ ((address >> 7 & 7) << 4), 16), bytes + 16 * chunk,
                                16);
                }
            }
        });
    }
}

inline void meet_cluster() { simt::cluster_barrier(); }
inline void meet_warpgroup(int group) { simt::barrier_of(static_cast<unsigned>(group) + 1, 128); }
template <int kRegisters>
void give_registers() {}
template <int kRegisters>
void take_registers() {}

}  // namespace rsir::cuda
