// The float32 distance over vectors of one instruction set; included by single_distance_<isa>.cpp only.
//
// Vector gives: Floats (kWidth float32 numbers); zero, load and store of floats; load of float16 and bfloat16, widened;
// subtract; add_product (fused); and fold(vectors, out), which folds kWidth vectors to one number each.
#pragma once

#include <cstdint>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/single_distance.h"

namespace rsir {
namespace {

template <class Vector>
void pack_single(const Rows& matrix, const std::int64_t* ids, std::int64_t first, std::int64_t count, int height,
                 float* panel) {
    constexpr std::int64_t kWidth = Vector::kWidth;
    const std::int64_t d = matrix.d, full = d / kLanes * kLanes, size = (d + kLanes - 1) / kLanes * kLanes;
    by_narrow_element(matrix, [&](const auto* data) {
        for (std::int64_t r = 0; r < height; ++r) {
            const auto put = [&](std::int64_t i, typename Vector::Floats numbers) {
                Vector::store(panel + i * height + r * kWidth, numbers);
            };
            if (r >= count) {
                for (std::int64_t i = 0; i < size; i += kWidth) put(i, Vector::zero());
                continue;
            }
            const auto* row = data + (ids == nullptr ? first + r : ids[first + r]) * d;
            for (std::int64_t i = 0; i < full; i += kWidth) put(i, Vector::load(row + i));
            if (full == d) continue;
            const Tail tail(row, d);
            for (std::int64_t i = 0; i < kLanes; i += kWidth) put(full + i, Vector::load(tail.numbers + i));
        }
    });
}

template <class Vector, int kQueries, int kRows>
struct SingleTile {
    static constexpr int kWidth = Vector::kWidth;
    static constexpr int kPairs = kQueries * kRows;
    static constexpr int kCapacity = (kPairs + kWidth - 1) / kWidth * kWidth;
    using Floats = typename Vector::Floats;

    static void run(const float* query_panel, const float* row_panel, std::int64_t size, float* out) {
        Floats sums[kCapacity];
#pragma GCC unroll 64
        for (int pair = 0; pair < kCapacity; ++pair) sums[pair] = Vector::zero();
        for (std::int64_t i = 0; i < size; i += kWidth) {
            Floats queries[kQueries];
#pragma GCC unroll 64
            for (int q = 0; q < kQueries; ++q) queries[q] = Vector::load(query_panel + q * kWidth);
#pragma GCC unroll 64
            for (int r = 0; r < kRows; ++r) {
                const Floats row = Vector::load(row_panel + r * kWidth);
#pragma GCC unroll 64
                for (int q = 0; q < kQueries; ++q) {
                    const Floats difference = Vector::subtract(queries[q], row);
                    sums[q * kRows + r] = Vector::add_product(sums[q * kRows + r], difference, difference);
                }
            }
            query_panel += kQueries * kWidth;
            row_panel += kRows * kWidth;
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
