// The host's twin of csrc/kernels/cuda/matrix.cuh.
#pragma once

#include <cstdint>
#include <cstring>

#include "cuda_fp16.h"
#include "tensor_core.h"

namespace rsir::cuda {

inline void copy_chunk(std::uint32_t to, const void* from) {
    if (to % 16 != 0 || reinterpret_cast<std::uintptr_t>(from) % 16 != 0) simt::broken("a copy that is not aligned");
    const auto copy = [=] { std::memcpy(simt::shared_at(to, 16), from, 16); };
    if (simt::late()) {
        simt::defer(0, copy);
    } else {
        copy();
    }
}
inline void commit_copies() { simt::commit(0); }
template <int kPending>
void wait_copies() {
    simt::wait(0, kPending);
}

inline void load_matrices(std::uint32_t (&to)[4], std::uint32_t from) {
    if (from % 16 != 0) simt::broken("a matrix row that is not aligned");
    const unsigned char* rows = simt::exchange(0xffffffffu, &from, sizeof from);
    const unsigned lane = threadIdx.x % 32;
    for (unsigned m = 0; m < 4; ++m) {
        std::uint32_t row;
        std::memcpy(&row, rows + (m * 8 + lane / 4) * simt::kPiece, sizeof row);
        std::memcpy(to + m, simt::shared_at(row + lane % 4 * 4, 4), 4);
    }
}

inline void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    const std::uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const unsigned char* all = simt::exchange(0xffffffffu, mine, sizeof mine);
    const auto element = [&](unsigned lane, unsigned word, unsigned half) {
        __half value;
        std::memcpy(&value, all + lane * simt::kPiece + word * 4 + half * 2, sizeof value);
        return __half2float(value);
    };
    const unsigned lane = threadIdx.x % 32;
    float x[2][16], y[2][16];  // rows lane / 4 and 8 further, columns lane % 4 * 2 and the next
    for (unsigned i = 0; i < 2; ++i) {
        for (unsigned k = 0; k < 16; ++k) {
            x[i][k] = element(lane / 4 * 4 + k % 8 / 2, i + k / 8 * 2, k % 2);
            y[i][k] = element((lane % 4 * 2 + i) * 4 + k % 8 / 2, 4 + k / 8, k % 2);
        }
    }
    for (unsigned s = 0; s < 4; ++s) sum[s] = simt::add_products(sum[s], x[s / 2], y[s % 2]);
}

inline void multiply_add(std::int32_t (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    const std::uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const unsigned char* all = simt::exchange(0xffffffffu, mine, sizeof mine);
    const auto element = [&](unsigned lane, unsigned word, unsigned byte) {
        return static_cast<std::int32_t>(static_cast<signed char>(all[lane * simt::kPiece + word * 4 + byte]));
    };
    const unsigned lane = threadIdx.x % 32;
    for (unsigned s = 0; s < 4; ++s) {  // row lane / 4 or 8 further, column lane % 4 * 2 or the next
        for (unsigned k = 0; k < 32; ++k) {
            sum[s] += element(lane / 4 * 4 + k % 16 / 4, s / 2 + k / 16 * 2, k % 4) *
                      element((lane % 4 * 2 + s % 2) * 4 + k % 16 / 4, 4 + k / 16, k % 4);
        }
    }
}

// kParts: of 128 bits, four words of a line; a's registers have lines lane / 4 and 8 further, of one part, then the
// next.
template <std::size_t kParts>
void count_parts(std::int32_t (&sum)[4], const std::int32_t (&start)[4], const std::uint32_t (&a)[2 * kParts],
                 const std::uint32_t (&b)[kParts]) {
    std::uint32_t mine[3 * kParts];
    std::memcpy(mine, a, sizeof a);
    std::memcpy(mine + 2 * kParts, b, sizeof b);
    const unsigned char* all = simt::exchange(0xffffffffu, mine, sizeof mine);
    const auto line = [all](unsigned first_lane, unsigned word, std::uint64_t (&to)[2]) {
        for (unsigned v = 0; v < 4; ++v) {
            std::memcpy(reinterpret_cast<unsigned char*>(to) + v * 4, all + (first_lane + v) * simt::kPiece + word * 4,
                        4);
        }
    };
    const unsigned lane = threadIdx.x % 32;
    std::int32_t sums[4];
    std::memcpy(sums, start, sizeof sums);
    for (unsigned part = 0; part < kParts; ++part) {
        std::uint64_t x[2][2], y[2][2];
        for (unsigned i = 0; i < 2; ++i) {
            line(lane / 4 * 4, 2 * part + i, x[i]);
            line((lane % 4 * 2 + i) * 4, 2 * kParts + part, y[i]);
        }
        for (unsigned s = 0; s < 4; ++s) {
            for (unsigned w = 0; w < 2; ++w) sums[s] += __popcll(x[s / 2][w] ^ y[s % 2][w]);
        }
    }
    std::memcpy(sum, sums, sizeof sums);
}
inline void count_different(std::int32_t (&sum)[4], const std::int32_t (&start)[4], const std::uint32_t (&a)[2],
                            std::uint32_t b) {
    count_parts<1>(sum, start, a, {b});
}
inline void count_different(std::int32_t (&sum)[4], const std::int32_t (&start)[4], const std::uint32_t (&a)[4],
                            std::uint32_t b0, std::uint32_t b1) {
    count_parts<2>(sum, start, a, {b0, b1});
}

}  // namespace rsir::cuda
