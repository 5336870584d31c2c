// The canonical distance over vectors of one instruction set; included by canonical_distance_<isa>.cpp only.
//
// Vector gives: Doubles (kWidth float64 numbers); zero, load and store of doubles; load of every stored type, widened;
// add, subtract, multiply; subtract_too, the same difference by another unit of the machine where it has one; and
// fold(vectors, out), which folds kWidth vectors to one number each.
//
// The 32 lanes do not meet before the fold, so a tile takes kWidth of them at a time: each pair of rows then needs one
// accumulator only, enough pairs fit into the registers that loads do not bind, and the adders do.
#pragma once

#include <cstdint>

#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

// Folds the 32 lanes in several vectors to the lanes of one.
template <class Vector>
inline typename Vector::Doubles fold_to_vector(typename Vector::Doubles* lanes) {
#pragma GCC unroll 8
    for (std::int64_t half = kLanes / Vector::kWidth / 2; half >= 1; half /= 2) {
#pragma GCC unroll 8
        for (std::int64_t g = 0; g < half; ++g) lanes[g] = Vector::add(lanes[g], lanes[g + half]);
    }
    return lanes[0];
}

template <class Vector>
void pack(const Rows& matrix, const std::int64_t* ids, std::int64_t first, std::int64_t count, int height,
          double* panel) {
    constexpr std::int64_t kWidth = Vector::kWidth, kGroups = kLanes / kWidth;
    const std::int64_t d = matrix.d, full = d / kLanes, steps = (d + kLanes - 1) / kLanes;
    const std::int64_t step_size = height * kWidth;
    by_element(matrix, [&](const auto* data) {
        for (std::int64_t r = 0; r < height; ++r) {
            double* out = panel + r * kWidth;
            const auto put = [&](std::int64_t step, const auto* numbers) {
                for (std::int64_t g = 0; g < kGroups; ++g) {
                    Vector::store(out + (g * steps + step) * step_size, Vector::load(numbers + g * kWidth));
                }
            };
            if (r >= count) {
                for (std::int64_t i = 0; i < kGroups * steps; ++i) Vector::store(out + i * step_size, Vector::zero());
                continue;
            }
            const auto* row = data + (ids == nullptr ? first + r : ids[first + r]) * d;
            for (std::int64_t step = 0; step < full; ++step) put(step, row + step * kLanes);
            if (full < steps) put(full, Tail(row, d).numbers);
        }
    });
}

template <class Vector>
void widen(const Rows& matrix, std::int64_t row, double* out) {
    const std::int64_t d = matrix.d, full = d / kLanes * kLanes;
    const auto put = [&](std::int64_t first, const auto* numbers) {
        for (std::int64_t i = 0; i < kLanes; i += Vector::kWidth) {
            Vector::store(out + first + i, Vector::load(numbers + i));
        }
    };
    by_element(matrix, [&](const auto* data) {
        for (std::int64_t i = 0; i < full; i += kLanes) put(i, data + row * d + i);
        if (full < d) put(full, Tail(data + row * d, d).numbers);
    });
}

template <class Vector, int kQueries, int kRows>
struct Tile {
    static constexpr int kWidth = Vector::kWidth;
    static constexpr int kGroups = kLanes / kWidth;
    static constexpr int kCapacity = (kQueries * kRows + kWidth - 1) / kWidth * kWidth;
    using Doubles = typename Vector::Doubles;

    static void run(const double* query_panel, const double* row_panel, std::int64_t size, double* out) {
        const std::int64_t steps = size / kLanes;
        Doubles lanes[kCapacity][kGroups];
        for (int g = 0; g < kGroups; ++g) {
            Doubles sums[kQueries][kRows];
#pragma GCC unroll 32
            for (int i = 0; i < kQueries; ++i) {
#pragma GCC unroll 32
                for (int j = 0; j < kRows; ++j) sums[i][j] = Vector::zero();
            }
            for (std::int64_t step = 0; step < steps; ++step) {
                Doubles queries[kQueries];
#pragma GCC unroll 32
                for (int i = 0; i < kQueries; ++i) queries[i] = Vector::load(query_panel + i * kWidth);
#pragma GCC unroll 32
                for (int j = 0; j < kRows; ++j) {
                    const Doubles row = Vector::load(row_panel + j * kWidth);
#pragma GCC unroll 32
                    for (int i = 0; i < kQueries; ++i) {
                        const Doubles difference = (i + j) % 2 == 0 ? Vector::subtract(queries[i], row)
                                                                    : Vector::subtract_too(queries[i], row);
                        sums[i][j] = Vector::add(sums[i][j], Vector::multiply(difference, difference));
                    }
                }
                query_panel += kQueries * kWidth;
                row_panel += kRows * kWidth;
            }
#pragma GCC unroll 32
            for (int i = 0; i < kQueries; ++i) {
#pragma GCC unroll 32
                for (int j = 0; j < kRows; ++j) lanes[i * kRows + j][g] = sums[i][j];
            }
        }
        for (int pair = kQueries * kRows; pair < kCapacity; ++pair) {
            for (int g = 0; g < kGroups; ++g) lanes[pair][g] = Vector::zero();
        }
        for (int pair = 0; pair < kCapacity; pair += kWidth) {
            Doubles folded[kWidth];
            for (int p = 0; p < kWidth; ++p) folded[p] = fold_to_vector<Vector>(lanes[pair + p]);
            Vector::fold(folded, out + pair);
        }
    }
};

// Adds one step of 32 elements to the lanes of a pair.
template <class Vector, class T>
inline void add_step(typename Vector::Doubles* lanes, const double* query, const T* row) {
    constexpr int kWidth = Vector::kWidth;
#pragma GCC unroll 32
    for (int g = 0; g < kLanes / kWidth; ++g) {
        const auto wide = Vector::load(row + g * kWidth);
        const auto difference = Vector::subtract_too(Vector::load(query + g * kWidth), wide);
        lanes[g] = Vector::add(lanes[g], Vector::multiply(difference, difference));
    }
}

template <class Vector>
void gather(const double* query, const Rows& matrix, const std::uint32_t* ids, std::int64_t m, double* out) {
    constexpr int kWidth = Vector::kWidth, kGroups = kLanes / kWidth;
    constexpr std::int64_t kLine = 64, kAheadBytes = 4096;
    const std::int64_t d = matrix.d, full = d / kLanes;
    by_element(matrix, [&](const auto* data) {
        constexpr auto kStepBytes = static_cast<std::int64_t>(kLanes * sizeof *data);
        const std::int64_t row_bytes = (d + 1) * static_cast<std::int64_t>(sizeof *data);
        const std::int64_t ahead = 1 + kAheadBytes / row_bytes;
        const auto row_at = [&](std::int64_t j) { return data + (ids == nullptr ? j : std::int64_t{ids[j]}) * d; };
        for (std::int64_t j = 0; j < m; j += kWidth) {
            typename Vector::Doubles folded[kWidth];
            const std::int64_t count = m - j < kWidth ? m - j : kWidth;
            for (std::int64_t p = count; p < kWidth; ++p) folded[p] = Vector::zero();
            for (std::int64_t p = 0; p < count; ++p) {
                const std::int64_t here = j + p;
                const auto* row = row_at(here);
                const auto* next = row_at(here + ahead < m ? here + ahead : m - 1);
                typename Vector::Doubles lanes[kGroups];
                for (int g = 0; g < kGroups; ++g) lanes[g] = Vector::zero();
                for (std::int64_t step = 0; step < full; ++step) {
                    for (std::int64_t byte = 0; byte < kStepBytes; byte += kLine) {
                        __builtin_prefetch(reinterpret_cast<const char*>(next + step * kLanes) + byte);
                    }
                    add_step<Vector>(lanes, query + step * kLanes, row + step * kLanes);
                }
                if (full * kLanes < d) add_step<Vector>(lanes, query + full * kLanes, Tail(row, d).numbers);
                folded[p] = fold_to_vector<Vector>(lanes);
            }
            if (j + kWidth <= m) {
                Vector::fold(folded, out + j);
            } else {
                double last[kWidth];
                Vector::fold(folded, last);
                for (std::int64_t p = j; p < m; ++p) out[p] = last[p - j];
            }
        }
    });
}

}  // namespace
}  // namespace rsir
