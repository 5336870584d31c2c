#include "simt.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "machine.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// What __shared__ puts there.
extern "C" __attribute__((weak)) unsigned char __start_simt_shared[];
extern "C" __attribute__((weak)) unsigned char __stop_simt_shared[];

namespace simt {
namespace {

constexpr std::size_t kStack = 256 * 1024;
constexpr unsigned char kPoison = 0xa5;

// For programs that do not know of seeds.
std::uint64_t seed_of_environment() {
    const char* given = std::getenv("RSIR_SIMT_SEED");
    return given == nullptr ? 0 : std::strtoull(given, nullptr, 10);
}

}  // namespace

Machine& machine() {
    static Machine it = [] {
        Machine made;
        made.state = seed_of_environment();
        made.random = made.state != 0;
        return made;
    }();
    return it;
}

void leave([[maybe_unused]] bool ends) {
    Machine& m = machine();
    Fiber& fiber = current();
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(ends ? nullptr : &fiber.fake_stack, m.scheduler_stack, m.scheduler_stack_size);
#endif
#if defined(SIMT_TSAN)
    __tsan_switch_to_fiber(m.scheduler_thread, __tsan_switch_to_fiber_no_sync);
#endif
    switch_context(fiber.context, m.scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber.fake_stack, nullptr, nullptr);
#endif
}

namespace {

// From the scheduler to a fiber.
void enter(unsigned id) {
    Machine& m = machine();
    m.running = id;
    Fiber& fiber = *m.fibers[id];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&m.scheduler_fake_stack, fiber.stack, kStack);
#endif
#if defined(SIMT_TSAN)
    __tsan_switch_to_fiber(fiber.thread, __tsan_switch_to_fiber_no_sync);
#endif
    switch_context(m.scheduler, fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(m.scheduler_fake_stack, nullptr, nullptr);
#endif
}

}  // namespace

void make_ready(unsigned id) {
    machine().fibers[id]->state = State::ready;
    machine().ready.push_back(id);
}

namespace {

void open(Group& group) {
    group.answer = group.any;
    group.any = false;
    group.arrived = 0;
    for (const unsigned id : group.waiting) make_ready(id);
    group.waiting.clear();
}

}  // namespace

// All room is taken here: a vector that grows while fibers run would be seen by ThreadSanitizer.
void begin(Group& group, unsigned members) {
    group = Group{};
    group.members = members;
    group.waiting.reserve(members);
}

void meet(Group& group, bool any) {
    group.any = group.any || any;
    ++group.arrived;
    group.waiting.push_back(machine().running);
    current().state = State::waiting;
    if (group.arrived == group.members) open(group);
    leave();
}

namespace {

void finish() {
    Machine& m = machine();
    Fiber& fiber = current();
    wait(0, 0);
    if (!fiber.deferred[0].open.empty() || !fiber.deferred[1].open.empty() || !fiber.deferred[1].groups.empty()) {
        broken("a thread ended with copies or products that it had not waited for");
    }
    fiber.state = State::ended;
    --m.alive;
    Block& block = block_of(m.running);
    block.group.members = --block.alive;
    if (block.alive > 0 && block.group.arrived == block.alive) open(block.group);
    m.cluster.members = m.alive;
    if (m.alive > 0 && m.cluster.arrived == m.alive) open(m.cluster);
    if (block.alive == 0) check_transfers(m.running / m.threads);
    Warp& warp = warp_of(m.running);
    if (warp.group.arrived > 0) broken("a thread ended while its warp waited for it at a shuffle or vote");
    --warp.group.members;
    released(&m);
    leave(true);
}

void main_of_fiber() {
    Machine& m = machine();
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &m.scheduler_stack, &m.scheduler_stack_size);
#endif
    acquired(&m);
    (*m.body)();
    finish();
    std::abort();
}

void prepare(unsigned id) {
    Machine& m = machine();
    if (m.fibers.size() <= id) {
        m.fibers.push_back(std::make_unique<Fiber>());
        void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED) broken("no memory for another thread's stack");
        m.fibers.back()->stack = static_cast<unsigned char*>(stack);
#if defined(SIMT_TSAN)
        m.fibers.back()->thread = __tsan_create_fiber(0);
#endif
    }
    Fiber& fiber = *m.fibers[id];
    fiber.exchanges = 0;
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(fiber.stack, kStack);
#endif
    make_context(fiber.context, fiber.stack, kStack, main_of_fiber);
}

unsigned choose() {
    Machine& m = machine();
    if (!m.random) {
        const unsigned id = m.ready[m.next++];
        if (m.next == m.ready.size() || m.next == m.threads * m.blocks.size()) {  // those that have run make room
            for (std::size_t i = m.next; i < m.ready.size(); ++i) std::swap(m.ready[i - m.next], m.ready[i]);
            m.ready.resize(m.ready.size() - m.next);
            m.next = 0;
        }
        return id;
    }
    std::size_t place = draw(m.ready.size());
    if (m.ready[place] / m.threads == m.slow && draw(16) != 0) {
        std::size_t i = 0;
        while (i < m.ready.size() && m.ready[(place + i) % m.ready.size()] / m.threads == m.slow) ++i;
        place = (place + i) % m.ready.size();
    }
    if (draw(8) < m.sticky) {  // one of the same warp, if there is one near
        for (std::size_t i = 0; i < std::min<std::size_t>(m.ready.size(), kWarp); ++i) {
            const std::size_t other = m.ready.size() - 1 - i;
            if (&warp_of(m.ready[other]) == &warp_of(m.running)) {
                place = other;
                break;
            }
        }
    }
    std::swap(m.ready[place], m.ready.back());
    const unsigned id = m.ready.back();
    m.ready.pop_back();
    return id;
}

// Shared memory begins as anything. Written byte by byte, unseen by the sanitizers, whose red zones lie between.
__attribute__((no_sanitize("address", "undefined"))) void poison_static() {
    if (__start_simt_shared == nullptr) return;
    for (volatile unsigned char* at = __start_simt_shared; at != __stop_simt_shared; ++at) *at = kPoison;
}

void begin(Block& block) {
    Machine& m = machine();
    std::memset(block.shared, kPoison, m.shared_bytes);
    block.alive = m.threads;
    begin(block.group, m.threads);
    for (Group& part : block.parts) begin(part, m.threads);
    block.warps.resize((m.threads + kWarp - 1) / kWarp);
    for (std::size_t w = 0; w < block.warps.size(); ++w) {
        begin(block.warps[w].group, std::min(kWarp, m.threads - static_cast<unsigned>(w) * kWarp));
    }
    for (TransferBarrier& barrier : block.barriers) {
        barrier = {};
        barrier.waiting.reserve(m.threads);
    }
}

// first: the first block of the cluster.
void run_cluster(const Self& first) {
    Machine& m = machine();
    poison_static();
    const auto all = static_cast<unsigned>(m.threads * m.blocks.size());
    for (const auto& block : m.blocks) begin(*block);
    begin(m.cluster, all);
    m.alive = all;
    m.sticky = m.random ? static_cast<unsigned>(draw(4)) * 8 / 3 : 0;
    m.slow = m.random && m.blocks.size() > 1 ? static_cast<unsigned>(draw(m.blocks.size() + 1)) : ~0u;
    m.ready.clear();
    m.ready.reserve(2 * all);
    m.running = 0;
    m.next = 0;
    released(&m);
    for (unsigned id = 0; id < all; ++id) {
        prepare(id);
        m.fibers[id]->self = first;
        m.fibers[id]->self.block.x += id / m.threads;
        m.fibers[id]->self.thread = {id % m.threads, 0, 0};
        make_ready(id);
    }
    while (m.alive > 0) {
        while (!m.copies.empty() && (m.ready.empty() || draw(8) == 0)) land_one();
        if (m.ready.empty()) broken("all threads wait: some at a barrier, others elsewhere");
        enter(choose());
    }
    acquired(&m);
}

}  // namespace

Device& device() { return machine().device; }
const Self& self() { return current().self; }

void seed(std::uint64_t value) {
    machine().random = value != 0;
    machine().state = value;
}

std::uint64_t draw(std::uint64_t bound) {
    // splitmix64
    std::uint64_t z = machine().state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

bool late() { return machine().random && draw(2) != 0; }

void run(Index grid, unsigned threads, std::size_t shared_bytes, const std::function<void()>& body, unsigned cluster) {
    static std::mutex one_at_a_time;
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    Machine& m = machine();
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0 || threads > 1024 || grid.y > 65535 ||
        shared_bytes > static_cast<std::size_t>(m.device.shared_bytes_per_block) || cluster == 0 || cluster > 8 ||
        grid.x % cluster != 0) {
        broken("a launch beyond the limits");
    }
    m.threads = threads;
    m.body = &body;
    m.shared_bytes = shared_bytes;
    m.blocks.clear();
    for (unsigned b = 0; b < cluster; ++b) {
        void* memory = nullptr;
        if (posix_memalign(&memory, 1024, shared_bytes) != 0) broken("no memory for the block's shared memory");
        m.blocks.push_back(std::make_unique<Block>());
        m.blocks.back()->shared = static_cast<unsigned char*>(memory);
    }
#if defined(SIMT_TSAN)
    m.scheduler_thread = __tsan_get_current_fiber();
#endif
    const unsigned columns = grid.x / cluster;
    const std::uint64_t clusters = std::uint64_t{columns} * grid.y * grid.z;
    std::vector<std::uint64_t> order(clusters);
    for (std::uint64_t b = 0; b < clusters; ++b) {
        order[b] = b;
        if (m.random) std::swap(order[b], order[draw(b + 1)]);
    }
    Self block{{}, {}, {threads, 1, 1}, grid};
    for (const std::uint64_t b : order) {
        block.block = {static_cast<unsigned>(b % columns) * cluster, static_cast<unsigned>(b / columns % grid.y),
                       static_cast<unsigned>(b / columns / grid.y)};
        run_cluster(block);
    }
    for (const auto& each : m.blocks) std::free(each->shared);
}

unsigned char* shared() { return block_of(machine().running).shared; }

unsigned char* shared_at(std::uint32_t address, std::size_t bytes) {
    return shared_of(machine().running / machine().threads, address, bytes);
}

unsigned char* shared_of(unsigned block, std::uint32_t address, std::size_t bytes) {
    if (address + bytes > machine().shared_bytes) broken("an address beyond the block's shared memory");
    return machine().blocks[block]->shared + address;
}

unsigned blocks_of_cluster() { return static_cast<unsigned>(machine().blocks.size()); }

bool barrier(bool any) {
    Group& block = block_of(machine().running).group;
    released(&block);
    meet(block, any);
    acquired(&block);
    return block.answer;
}

void barrier_of(unsigned part, unsigned threads) {
    Group& group = block_of(machine().running).parts[part];
    group.members = threads;
    released(&group);
    meet(group, false);
    acquired(&group);
}

void cluster_barrier() {
    Group& cluster = machine().cluster;
    released(&cluster);
    meet(cluster, false);
    acquired(&cluster);
}

void warp_barrier(unsigned mask) {
    Group& warp = warp_of(machine().running).group;
    if (mask != 0xffffffffu || warp.members != kWarp) broken("a barrier of a warp without the whole warp");
    released(&warp);
    meet(warp, false);
    acquired(&warp);
}

const unsigned char* exchange(unsigned mask, const void* mine, std::size_t bytes) {
    Fiber& fiber = current();
    Warp& warp = warp_of(machine().running);
    if (mask != 0xffffffffu || warp.group.members != kWarp) broken("a shuffle or vote without the whole warp");
    unsigned char* pieces = warp.pieces[fiber.exchanges++ % 2];
    // Byte by byte: ThreadSanitizer looks into memcpy, and this is no memory of the kernel's.
    volatile unsigned char* piece = pieces + fiber.self.thread.x % kWarp * kPiece;
    for (std::size_t i = 0; i < bytes; ++i) piece[i] = static_cast<const unsigned char*>(mine)[i];
    meet(warp.group, false);
    return pieces;
}

void maybe_yield() {
    if (!machine().random || draw(4) != 0) return;
    make_ready(machine().running);
    leave();
}

void defer(int kind, std::function<void()> work) { current().deferred[kind].open.push_back(std::move(work)); }

void commit(int kind) {
    Deferred& deferred = current().deferred[kind];
    deferred.groups.push_back(std::move(deferred.open));
    deferred.open.clear();
}

void wait(int kind, std::size_t groups_left) {
    Deferred& deferred = current().deferred[kind];
    while (deferred.groups.size() > groups_left) {
        for (const auto& work : deferred.groups.front()) work();
        deferred.groups.pop_front();
    }
}

void broken(const char* rule) {
    std::fprintf(stderr, "simt: %s (block %u, %u, thread %u)\n", rule, self().block.x, self().block.y, self().thread.x);
    std::abort();
}

}  // namespace simt

// For those who know this host only as a library: tests/cuda_on_host.py.
extern "C" __attribute__((visibility("default"))) void simt_compute_capability(int major) {
    simt::device().compute_capability_major = major;
}
