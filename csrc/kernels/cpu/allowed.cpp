#include "kernels/allowed.h"

#include <algorithm>

namespace rsir {
namespace {

// Without an instruction by name, so that the compiler makes vectors of it: the ones of each byte in that byte.
std::uint64_t ones_of_bytes(std::uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    return (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
}

std::int64_t sum_of_bytes(std::uint64_t word) {
    word = (word & 0x00ff00ff00ff00ffu) + (word >> 8 & 0x00ff00ff00ff00ffu);
    return static_cast<std::int64_t>(word * 0x0001000100010001u >> 48);
}

std::int64_t ones(std::uint64_t word) { return sum_of_bytes(ones_of_bytes(word)); }

}  // namespace

std::int64_t Allowed::count(std::int64_t begin, std::int64_t end) const {
    if (all()) return end - begin;
    std::int64_t sum = 0, row = begin;
    // Up to a whole byte, then words of whole bytes, then the rest.
    const std::int64_t head = std::min(end, row + (8 - (first + row) % 8) % 8);
    if (head > row) sum += ones(word(row) & ((std::uint64_t{1} << (head - row)) - 1));
    row = head;
    constexpr std::int64_t kWords = 31;  // their bytes add up to no more than 8 * 31
    while (end - row >= 64) {
        const std::uint8_t* bytes = bits + (first + row) / 8;
        const std::int64_t words = std::min(kWords, (end - row) / 64);
        std::uint64_t total = 0;
        for (std::int64_t i = 0; i < words; ++i) {
            std::uint64_t here;
            std::memcpy(&here, bytes + 8 * i, sizeof here);
            total += ones_of_bytes(here);
        }
        sum += sum_of_bytes(total);
        row += 64 * words;
    }
    if (row < end) sum += ones(word(row) & ((std::uint64_t{1} << (end - row)) - 1));
    return sum;
}

}  // namespace rsir
