// The host's twin of csrc/kernels/cuda/warpgroup.cuh.
#pragma once

#include <cstdint>
#include <cstring>

#include "cuda_fp16.h"
#include "tensor_core.h"

namespace rsir::cuda {

inline std::uint64_t describe(std::uint32_t address) { return address >> 4; }

// One half of a line of a swizzled tile, the lines of which begin at a description.
inline float tile_element(std::uint64_t tile, unsigned line, unsigned column) {
    const std::uint32_t address = (static_cast<std::uint32_t>(tile) << 4) + line * 128 + column * 2;
    __half value;
    std::memcpy(&value, simt::shared_at(address ^ ((address >> 7 & 7) << 4), 2), 2);
    return __half2float(value);
}

inline void begin_products() {}
inline void commit_products() { simt::commit(1); }
template <int kPending>
void wait_products() {
    simt::wait(1, kPending);
}
inline void wait_sums(float (&)[32][4]) { simt::wait(1, 0); }
inline void see_copies() {}

inline std::uint64_t describe_columns(std::uint32_t address, std::uint32_t leading) {
    if (address % 16 != 0 || leading % 16 != 0 || leading == 0 || (address | leading) >= 1u << 18) {
        simt::broken("a tile of columns that its description cannot hold");
    }
    return address >> 4 | static_cast<std::uint64_t>(leading >> 4) << 16 | std::uint64_t{(8 * 16) >> 4} << 32;
}

// One line's 256 bits of a tile as it is described.
inline void columns_of(std::uint64_t tile, unsigned line, std::uint64_t (&bits)[4]) {
    const auto field = [tile](unsigned first) { return static_cast<std::uint32_t>(tile >> first & 0x3fff) << 4; };
    for (unsigned c = 0; c < 2; ++c) {
        const std::uint32_t address = field(0) + c * field(16) + line / 8 * field(32) + line % 8 * 16;
        std::memcpy(bits + 2 * c, simt::shared_at(address, 16), 16);
    }
}

// Without a call for each word, as __builtin_popcountll would be: this is where the tests of many queries spend their
// time.
inline std::int32_t bits_in_common(const std::uint64_t (&x)[4], const std::uint64_t (&y)[4]) {
    std::uint64_t bytes = 0;  // the counts of eight bytes, up to 32 each
    for (unsigned w = 0; w < 4; ++w) {
        std::uint64_t v = x[w] & y[w];
        v -= v >> 1 & 0x5555555555555555u;
        v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
        bytes += (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    }
    const std::uint64_t pairs = (bytes & 0x00ff00ff00ff00ffu) + (bytes >> 8 & 0x00ff00ff00ff00ffu);
    return static_cast<std::int32_t>(pairs * 0x0001000100010001u >> 48);
}

template <bool kAdd>
void count_common(std::int32_t (&s)[16][4], std::uint64_t a, std::uint64_t b) {
    const unsigned thread = threadIdx.x % 128, row = thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
    const auto products = [&s, a, b, row, column] {
        std::uint64_t x[2][4], y[4];
        for (unsigned i = 0; i < 2; ++i) columns_of(a, row + 8 * i, x[i]);
        for (unsigned j = 0; j < 16; ++j) {
            for (unsigned e = 0; e < 2; ++e) {
                columns_of(b, 8 * j + column + e, y);
                for (unsigned i = 0; i < 2; ++i) {
                    s[j][2 * i + e] = bits_in_common(x[i], y) + (kAdd ? s[j][2 * i + e] : 0);
                }
            }
        }
    };
    simt::defer(1, products);
}

// 32 bytes of a line of a swizzled tile, the lines of which begin at a description.
inline void tile_bytes(std::uint64_t tile, unsigned line, signed char (&bytes)[32]) {
    for (unsigned chunk = 0; chunk < 2; ++chunk) {
        const std::uint32_t address = (static_cast<std::uint32_t>(tile) << 4) + line * 128 + chunk * 16;
        std::memcpy(bytes + chunk * 16, simt::shared_at(address ^ ((address >> 7 & 7) << 4), 16), 16);
    }
}

inline void multiply_add(std::int32_t (&s)[16][4], std::uint64_t a, std::uint64_t b, bool add) {
    const unsigned thread = threadIdx.x % 128, row = thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
    const auto products = [&s, a, b, row, column, add] {
        signed char x[2][32], y[32];
        for (unsigned i = 0; i < 2; ++i) tile_bytes(a, row + 8 * i, x[i]);
        for (unsigned j = 0; j < 16; ++j) {
            for (unsigned e = 0; e < 2; ++e) {
                tile_bytes(b, 8 * j + column + e, y);
                for (unsigned i = 0; i < 2; ++i) {
                    std::int32_t sum = add ? s[j][2 * i + e] : 0;
                    for (unsigned k = 0; k < 32; ++k) sum += x[i][k] * y[k];
                    s[j][2 * i + e] = sum;
                }
            }
        }
    };
    simt::defer(1, products);
}

inline void wait_counts(std::int32_t (&)[16][4]) { wait_products<0>(); }

inline void multiply_add(float (&s)[32][4], std::uint64_t a, std::uint64_t b) {
    const unsigned thread = threadIdx.x % 128, row = thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
    const auto products = [&s, a, b, row, column] {
        float x[2][16], y[16];
        for (unsigned i = 0; i < 2; ++i) {
            for (unsigned k = 0; k < 16; ++k) x[i][k] = tile_element(a, row + 8 * i, k);
        }
        for (unsigned j = 0; j < 32; ++j) {
            for (unsigned e = 0; e < 2; ++e) {
                for (unsigned k = 0; k < 16; ++k) y[k] = tile_element(b, 8 * j + column + e, k);
                for (unsigned i = 0; i < 2; ++i) s[j][2 * i + e] = simt::add_products(s[j][2 * i + e], x[i], y);
            }
        }
    };
    simt::defer(1, products);
}

}  // namespace rsir::cuda
