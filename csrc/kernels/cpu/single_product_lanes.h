// The float32 dot product over vectors of one instruction set; included by single_product_<isa>.cpp only.
//
// Vector gives: Floats (kWidth float32 numbers); zero, load and store; add_product (fused); and fold(vectors, out),
// which folds kWidth vectors to one number each.
#pragma once

#include <cstdint>

#include "kernels/cpu/single_product.h"

namespace rsir {
namespace {

#include "kernels/cpu/single_product_common.h"

template <class Vector, int kQueries, int kRows>
struct SingleTile {
    static constexpr int kWidth = Vector::kWidth;
    static constexpr int kPairs = kQueries * kRows;
    static constexpr int kCapacity = (kPairs + kWidth - 1) / kWidth * kWidth;
    using Floats = typename Vector::Floats;

    static void run(const float* x, const float* y, std::int64_t stride, std::int64_t size, float* out) {
        Floats sums[kCapacity];
#pragma GCC unroll 64
        for (int pair = 0; pair < kCapacity; ++pair) sums[pair] = Vector::zero();
        for (std::int64_t i = 0; i < size; i += kWidth) {
            Floats queries[kQueries];
#pragma GCC unroll 64
            for (int q = 0; q < kQueries; ++q) queries[q] = Vector::load(x + q * stride + i);
#pragma GCC unroll 64
            for (int r = 0; r < kRows; ++r) {
                const Floats row = Vector::load(y + r * stride + i);
#pragma GCC unroll 64
                for (int q = 0; q < kQueries; ++q) {
                    sums[q * kRows + r] = Vector::add_product(sums[q * kRows + r], queries[q], row);
                }
            }
        }
        // Stored before they are folded, so that the sums stay in registers above.
        alignas(64) float lanes[kCapacity][kWidth];
#pragma GCC unroll 64
        for (int pair = 0; pair < kCapacity; ++pair) Vector::store(lanes[pair], sums[pair]);
        for (int pair = 0; pair < kCapacity; pair += kWidth) Vector::fold(lanes + pair, out + pair);
    }
};

}  // namespace
}  // namespace rsir
