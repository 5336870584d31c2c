// A host that runs CUDA kernels, thread by thread, so that the device code is tested without a device, under sanitizers
// and in orders that a device would hardly ever choose.
//
// The kernels of csrc/kernels/cuda are compiled as C++, unchanged: this folder stands before csrc and before CUDA's own
// headers in the include path, and answers for both (cuda_runtime_api.h, cuda_fp16.h, cuda_bf16.h, kernels/cuda/
// {bulk,device,matrix,warpgroup}.cuh). Each thread of a block is a fiber. It runs until it must wait for others: at a
// barrier, a shuffle, a vote or a matrix instruction; atomics may suspend it too. Which thread goes on is drawn by
// chance, and so is the order of blocks (one at a time, or one cluster), and whether a copy or product that goes on by
// itself is done at once or only when it is waited for. What a missing barrier leaves undefined thus differs from seed
// to seed.
//
// Under ThreadSanitizer fibers are threads and barriers the only order between them: races in shared memory are found.
// Under AddressSanitizer dynamic shared memory ends where the launch said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace simt {

struct Index {
    unsigned x = 0, y = 0, z = 0;
};

// The running thread.
struct Self {
    Index thread, block, block_size, grid_size;
};
const Self& self();

// Of the device pretended: what kernels are chosen by.
struct Device {
    int compute_capability_major = 8;
    int shared_bytes_per_block = 227 * 1024;
    int compiled_for = 0;  // compute capability, 10 major + minor, of the code that it runs; 0: its own
    int multiprocessors = 2;
};
Device& device();

// Draws all orders from here on; 0: threads and blocks in order, copies at once.
void seed(std::uint64_t value);
std::uint64_t draw(std::uint64_t bound);  // [0, bound)
bool late();                              // whether what goes on by itself is done only when it is waited for

// Runs `body` for every thread of every block; `cluster` neighbouring blocks at a time.
void run(Index grid, unsigned threads, std::size_t shared_bytes, const std::function<void()>& body,
         unsigned cluster = 1);

// The block's dynamic shared memory, between whose ends every address must lie.
unsigned char* shared();
unsigned char* shared_at(std::uint32_t address, std::size_t bytes);
unsigned char* shared_of(unsigned block, std::uint32_t address, std::size_t bytes);  // of a block of the cluster

unsigned blocks_of_cluster();

// All threads of the block that have not ended; whether any came with true.
bool barrier(bool any);

// `threads` of the block, always the same ones for each `part` < 16; all threads of the cluster.
void barrier_of(unsigned part, unsigned threads);
void cluster_barrier();

// Barriers in shared memory that wait for bytes as well (bulk.cuh), by their address; `block`: of the cluster.
void begin_transfers(std::uint32_t barrier, int arrivals);
void expect_transfers(std::uint32_t barrier, std::int64_t bytes);  // and arrives
void arrive(std::uint32_t barrier, unsigned block);
void wait_transfers(std::uint32_t barrier, unsigned parity);

// A copy to `block` that is done by nobody: at once, or at any time until something waits for its bytes.
void transfer(unsigned block, std::uint32_t barrier, std::int64_t bytes, std::function<void()> work);

// All 32 threads of the warp: the only one of their meetings that orders what they do to memory.
void warp_barrier(unsigned mask);

// All 32 threads of the warp come with `bytes` (up to 64) of their own; they all get the 32 pieces, 64 bytes apart.
// Valid until the thread's next exchange.
constexpr std::size_t kPiece = 64;
const unsigned char* exchange(unsigned mask, const void* mine, std::size_t bytes);

// Lets another thread go on first, at times.
void maybe_yield();

// Work of this thread that goes on by itself: in groups, done at the latest when waited for. Two kinds: 0 copies, 1
// products.
void defer(int kind, std::function<void()> work);
void commit(int kind);
void wait(int kind, std::size_t groups_left);

[[noreturn]] void broken(const char* rule);  // a rule of CUDA that the kernel does not keep

}  // namespace simt
