#include "kernels/allowed.h"

#include <algorithm>

namespace rsir {
namespace {

using Words [[gnu::vector_size(16)]] = std::uint64_t;  // a vector of every processor

// The ones of each byte in that byte.
template <class T>
T ones_of_bytes(T word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    return (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
}

std::int64_t sum_of_bytes(std::uint64_t word) {
    word = (word & 0x00ff00ff00ff00ffu) + (word >> 8 & 0x00ff00ff00ff00ffu);
    return static_cast<std::int64_t>(word * 0x0001000100010001u >> 48);
}

std::int64_t ones(std::uint64_t word) { return sum_of_bytes(ones_of_bytes(word)); }

std::int64_t ones(Words words) { return ones(words[0]) + ones(words[1]); }

// sum becomes sum ^ a ^ b; returns the carry.
Words full_add(Words& sum, Words a, Words b) {
    const Words half = sum ^ a, carry = (sum & a) | (half & b);
    sum = half ^ b;
    return carry;
}

constexpr std::int64_t kBlock = 8 * sizeof(Words);

// Of the bits at one place, eight are added up to one carry, as in a counter: those alone have their ones counted.
std::int64_t ones_of_blocks(const std::uint8_t* bytes, std::int64_t blocks) {
    Words one{}, two{}, four{};
    const auto next = [&bytes] {
        Words words;
        std::memcpy(&words, bytes, sizeof words);
        bytes += sizeof words;
        return words;
    };
    const auto add2 = [&] {
        const Words a = next();
        return full_add(one, a, next());
    };
    const auto add4 = [&] {
        const Words a = add2();
        return full_add(two, a, add2());
    };
    std::int64_t sum = 0;
    constexpr std::int64_t kMost = 31;  // of carries: their bytes add up to no more than 8 * 31
    while (blocks > 0) {
        Words total{};
        std::int64_t rest = std::min(blocks, kMost);
        for (blocks -= rest; rest > 0; --rest) {
            const Words a = add4();
            total += ones_of_bytes(full_add(four, a, add4()));
        }
        sum += 8 * (sum_of_bytes(total[0]) + sum_of_bytes(total[1]));
    }
    return sum + 4 * ones(four) + 2 * ones(two) + ones(one);
}

}  // namespace

std::int64_t Allowed::count(std::int64_t begin, std::int64_t end) const {
    if (all()) return end - begin;
    std::int64_t sum = 0, row = begin;
    // Up to a whole byte, then blocks and words of whole bytes, then the rest.
    const std::int64_t head = std::min(end, row + (8 - (first + row) % 8) % 8);
    if (head > row) sum += ones(word(row) & ((std::uint64_t{1} << (head - row)) - 1));
    row = head;
    const std::int64_t blocks = (end - row) / (8 * kBlock);
    sum += ones_of_blocks(bits + (first + row) / 8, blocks);
    for (row += blocks * 8 * kBlock; end - row >= 64; row += 64) sum += ones(word(row));
    if (row < end) sum += ones(word(row) & ((std::uint64_t{1} << (end - row)) - 1));
    return sum;
}

}  // namespace rsir
