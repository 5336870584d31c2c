// The parts of the host of simt.h that its files share.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "fiber.h"
#include "simt.h"

#if defined(SIMT_TSAN)  // these files themselves are not instrumented: their own memory is no business of the kernels
#include <sanitizer/tsan_interface.h>
#endif

namespace simt {

constexpr unsigned kWarp = 32;

enum class State { ready, waiting, ended };

// Threads that wait for each other.
struct Group {
    unsigned members = 0, arrived = 0;
    bool any = false, answer = false;
    std::vector<unsigned> waiting;
};

struct Warp {
    Group group;
    unsigned char pieces[2][kWarp * kPiece];
};

struct Deferred {
    std::deque<std::vector<std::function<void()>>> groups;
    std::vector<std::function<void()>> open;
};

struct Fiber {
    Self self;
    State state = State::ended;
    Context context;
    unsigned char* stack = nullptr;
    unsigned exchanges = 0;
    Deferred deferred[2];
    void* fake_stack = nullptr;
    void* thread = nullptr;  // as ThreadSanitizer knows it
};

// As kernels see it by its address in shared memory.
struct TransferBarrier {
    std::uint32_t address = 0;
    int arrivals = 0;  // of a phase; 0: not begun
    int awaited = 0;
    std::int64_t bytes = 0;
    std::uint64_t phase = 0;
    std::vector<unsigned> waiting;
};

struct Block {
    static constexpr std::size_t kMostBarriers = 16, kMostGroups = 16;

    Group group, parts[kMostGroups];  // all threads; those that meet by themselves
    std::vector<Warp> warps;
    unsigned alive = 0;
    unsigned char* shared = nullptr;
    TransferBarrier barriers[kMostBarriers];
};

// Done by nobody, at any time.
struct Copy {
    std::function<void()> work;
    unsigned block;  // of the cluster
    std::uint32_t barrier;
    std::int64_t bytes;
};

struct Machine {
    Device device;
    std::uint64_t state = 0;
    bool random = false;
    unsigned slow = ~0u;  // the block of the cluster whose threads are drawn less often
    unsigned sticky = 0;  // of 8 steps, so many stay in the same warp

    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<std::unique_ptr<Block>> blocks;  // that run side by side: a cluster
    Group cluster;
    std::vector<unsigned> ready;  // in order: a queue that begins at `next`
    std::size_t next = 0;
    unsigned threads = 0, alive = 0, running = 0;  // threads: of a block
    const std::function<void()>* body = nullptr;
    std::size_t shared_bytes = 0;
    std::vector<Copy> copies;  // that are under way
    Context scheduler;
    void *scheduler_fake_stack = nullptr, *scheduler_thread = nullptr;
    const void* scheduler_stack = nullptr;
    std::size_t scheduler_stack_size = 0;
};

Machine& machine();
inline Fiber& current() { return *machine().fibers[machine().running]; }
inline void released([[maybe_unused]] void* by) {
#if defined(SIMT_TSAN)
    __tsan_release(by);
#endif
}
inline void acquired([[maybe_unused]] void* by) {
#if defined(SIMT_TSAN)
    __tsan_acquire(by);
#endif
}

// Of a thread of the cluster.
inline Block& block_of(unsigned id) { return *machine().blocks[id / machine().threads]; }
inline Warp& warp_of(unsigned id) { return block_of(id).warps[id % machine().threads / kWarp]; }

void make_ready(unsigned id);
void leave(bool ends = false);               // from a fiber to the scheduler, for good if it ends
void begin(Group& group, unsigned members);  // before any thread comes
void meet(Group& group, bool any);

// The parts of transfers.cpp that the scheduler calls.
void land_one();                       // a copy that is under way, drawn by chance
void check_transfers(unsigned block);  // nothing is under way to a block that ends

}  // namespace simt
