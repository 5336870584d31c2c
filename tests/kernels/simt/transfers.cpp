#include <algorithm>

#include "machine.h"

// Barriers that wait for bytes, and the copies that bring them.
namespace simt {
namespace {

TransferBarrier& find(unsigned block, std::uint32_t address) {
    for (TransferBarrier& barrier : machine().blocks[block]->barriers) {
        if (barrier.arrivals != 0 && barrier.address == address) return barrier;
    }
    broken("a barrier that was not begun");
}

unsigned own_block() { return machine().running / machine().threads; }

void settle(TransferBarrier& barrier) {
    if (barrier.awaited != 0 || barrier.bytes != 0) return;
    ++barrier.phase;
    barrier.awaited = barrier.arrivals;
    for (const unsigned id : barrier.waiting) make_ready(id);
    barrier.waiting.clear();
}

void arrive_at(TransferBarrier& barrier) {
    if (barrier.awaited == 0) broken("more arrivals at a barrier than its phase has");
    released(&barrier);
    --barrier.awaited;
    settle(barrier);
}

void land(const Copy& copy) {
    copy.work();
    TransferBarrier& barrier = find(copy.block, copy.barrier);
    released(&barrier);
    barrier.bytes -= copy.bytes;
    settle(barrier);
}

}  // namespace

void begin_transfers(std::uint32_t address, int arrivals) {
    if (address % 8 != 0) broken("a barrier that is not aligned");
    shared_at(address, 8);
    for (TransferBarrier& barrier : machine().blocks[own_block()]->barriers) {
        if (barrier.arrivals != 0) continue;
        barrier.address = address;
        barrier.arrivals = barrier.awaited = arrivals;
        return;
    }
    broken("more barriers than this host has room for");
}

void expect_transfers(std::uint32_t address, std::int64_t bytes) {
    TransferBarrier& barrier = find(own_block(), address);
    barrier.bytes += bytes;
    arrive_at(barrier);
    maybe_yield();
}

void arrive(std::uint32_t address, unsigned block) {
    if (block >= machine().blocks.size() || machine().blocks[block]->alive == 0) {
        broken("an arrival at a block that has ended");
    }
    arrive_at(find(block, address));
    maybe_yield();
}

void wait_transfers(std::uint32_t address, unsigned parity) {
    TransferBarrier& barrier = find(own_block(), address);
    while (barrier.phase % 2 == parity) {
        barrier.waiting.push_back(machine().running);
        current().state = State::waiting;
        leave();
    }
    acquired(&barrier);
}

void transfer(unsigned block, std::uint32_t barrier, std::int64_t bytes, std::function<void()> work) {
    if (block >= machine().blocks.size() || machine().blocks[block]->alive == 0) {
        broken("a copy to a block that has ended");
    }
    Copy copy{std::move(work), block, barrier, bytes};
#if defined(SIMT_TSAN)  // by the thread that began it: no other order is known of it
    land(copy);
#else
    if (machine().random) {
        machine().copies.push_back(std::move(copy));
    } else {
        land(copy);
    }
#endif
}

void land_one() {
    std::vector<Copy>& copies = machine().copies;
    std::swap(copies[draw(copies.size())], copies.back());
    const Copy copy = std::move(copies.back());
    copies.pop_back();
    land(copy);
}

void check_transfers(unsigned block) {
    for (const Copy& copy : machine().copies) {
        if (copy.block == block) broken("a block ended while a copy to it was under way");
    }
    for (const TransferBarrier& barrier : machine().blocks[block]->barriers) {
        if (barrier.bytes != 0) broken("bytes came to a barrier that did not expect them");
    }
}

}  // namespace simt
