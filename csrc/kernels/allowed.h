// Which rows of a database a search may answer with: one bit a row.
#pragma once

#include <cstdint>
#include <cstring>

namespace rsir {

// Row i is allowed if bit first + i of `bits` is 1, least significant bit of a byte first. Parts of a database share
// one bitmap, so `first` need not be a multiple of 8; nothing is read beyond the byte of the last row.
//
// Always inlined: a copy compiled for one instruction set must not become the one that all files call.
struct Allowed {
    const std::uint8_t* bits = nullptr;  // null: all rows
    std::int64_t first = 0;
    std::int64_t n = 0;

    [[gnu::always_inline]] bool all() const { return bits == nullptr; }

    // The bits of rows row, ..., row + 63, that of `row` lowest; 0 from n on.
    [[gnu::always_inline]] std::uint64_t word(std::int64_t row) const {
        if (row >= n) return 0;
        const std::int64_t left = n - row;
        const std::uint64_t inside = left < 64 ? (std::uint64_t{1} << left) - 1 : ~std::uint64_t{0};
        if (bits == nullptr) return inside;
        const std::int64_t byte = (first + row) / 8, there = (first + n + 7) / 8 - byte;
        const int shift = static_cast<int>((first + row) % 8);
        std::uint64_t found = 0;
        if (there > 8) {
            std::memcpy(&found, bits + byte, sizeof found);
            found >>= shift;
            if (shift > 0) found |= std::uint64_t{bits[byte + 8]} << (64 - shift);
        } else {
            for (std::int64_t i = 0; i < there; ++i) found |= std::uint64_t{bits[byte + i]} << (8 * i);
            found >>= shift;
        }
        return found & inside;
    }

    // The words of rows row, row + 64, ..., row + 448.
    [[gnu::always_inline]] void words(std::int64_t row, std::uint64_t (&to)[8]) const {
        if (bits == nullptr || n - row <= 512) {
            for (std::int64_t i = 0; i < 8; ++i) to[i] = word(row + 64 * i);
            return;
        }
        const std::uint8_t* from = bits + (first + row) / 8;  // with the byte of row + 512 they are 65
        const int shift = static_cast<int>((first + row) % 8);
        std::memcpy(to, from, sizeof to);
        if (shift == 0) return;
        for (int i = 0; i < 8; ++i) to[i] = to[i] >> shift | std::uint64_t{from[8 * i + 8]} << (64 - shift);
    }

    [[gnu::always_inline]] bool has(std::int64_t row) const {
        return bits == nullptr || (bits[(first + row) / 8] >> ((first + row) % 8) & 1) != 0;
    }

    // Those of rows row, ..., row + count - 1, as rows 0, ..., count - 1.
    [[gnu::always_inline]] Allowed part(std::int64_t row, std::int64_t count) const {
        return {bits, first + row, count};
    }

    // How many of rows begin, ..., end - 1 are allowed; 0 <= begin <= end <= n. In kernels/cpu/allowed.cpp.
    std::int64_t count(std::int64_t begin, std::int64_t end) const;
};

}  // namespace rsir
