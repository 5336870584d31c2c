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
#include <type_traits>

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

// Adds one step of 32 elements to the lanes of kRows pairs.
template <class Vector, int kRows, class T>
inline void add_step(typename Vector::Doubles (*lanes)[kLanes / Vector::kWidth], const double* query,
                     const T* const* rows, std::int64_t at) {
    constexpr int kWidth = Vector::kWidth;
#pragma GCC unroll 32
    for (int g = 0; g < kLanes / kWidth; ++g) {
        const auto wanted = Vector::load(query + at + g * kWidth);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
            const auto difference = Vector::subtract_too(wanted, Vector::load(rows[r] + at + g * kWidth));
            lanes[r][g] = Vector::add(lanes[r][g], Vector::multiply(difference, difference));
        }
    }
}

// The lanes of kRows rows against one query, folded to one vector each; `next` are fetched meanwhile.
template <class Vector, int kRows, class T>
inline void fold_rows(const double* query, const T* const* rows, const T* const* next, std::int64_t d,
                      typename Vector::Doubles* folded) {
    constexpr std::int64_t kStepBytes = kLanes * static_cast<std::int64_t>(sizeof(T)), kLine = 64;
    const std::int64_t full = d / kLanes * kLanes;
    typename Vector::Doubles lanes[kRows][kLanes / Vector::kWidth];
    for (auto& row : lanes) {
        for (auto& lane : row) lane = Vector::zero();
    }
    for (std::int64_t at = 0; at < full; at += kLanes) {
        for (int r = 0; r < kRows; ++r) {
            for (std::int64_t byte = 0; byte < kStepBytes; byte += kLine) {
                __builtin_prefetch(reinterpret_cast<const char*>(next[r] + at) + byte, 0,
                                   2);  // into L2: L1 would overflow
            }
        }
        add_step<Vector, kRows>(lanes, query, rows, at);
    }
    if (full < d) {
        for (int r = 0; r < kRows; ++r) {
            const Tail tail(rows[r], d);
            const T* numbers = tail.numbers;
            add_step<Vector, 1>(lanes + r, query + full, &numbers, 0);
        }
    }
    for (int r = 0; r < kRows; ++r) folded[r] = fold_to_vector<Vector>(lanes[r]);
}

template <class Vector>
void gather(const double* query, const Rows& matrix, const std::uint32_t* ids, std::int64_t m, std::int64_t coming,
            double* out) {
    constexpr int kWidth = Vector::kWidth;
    // Rows that share each reading of the query, as far as the registers hold their lanes.
    constexpr int kTogether = kLanes / kWidth <= 4 ? 4 : 1;
    constexpr std::int64_t kAheadBytes = 16384;
    const std::int64_t d = matrix.d, ahead = kTogether + kAheadBytes / (matrix.row_bytes() + 1), last = m + coming - 1;
    by_element(matrix, [&](const auto* data) {
        const auto row_at = [&](std::int64_t j) {
            const std::int64_t at = j < last ? j : last;
            return data + (ids == nullptr ? at : std::int64_t{ids[at]}) * d;
        };
        const auto take = [&](auto together, std::int64_t j, std::int64_t p, typename Vector::Doubles* folded) {
            decltype(data + 0) rows[together], next[together];
            for (int r = 0; r < together; ++r) {
                rows[r] = row_at(j + p + r);
                next[r] = row_at(j + p + r + ahead);
            }
            fold_rows<Vector, together>(query, rows, next, d, folded + p);
        };
        for (std::int64_t j = 0; j < m; j += kWidth) {
            const std::int64_t count = m - j < kWidth ? m - j : kWidth;
            typename Vector::Doubles folded[kWidth];
            for (std::int64_t p = 0; p < kWidth; ++p) folded[p] = Vector::zero();
            std::int64_t p = 0;
            for (; p + kTogether <= count; p += kTogether) take(std::integral_constant<int, kTogether>(), j, p, folded);
            for (; p < count; ++p) take(std::integral_constant<int, 1>(), j, p, folded);
            if (count == kWidth) {
                Vector::fold(folded, out + j);
            } else {
                double rest[kWidth];
                Vector::fold(folded, rest);
                for (std::int64_t i = 0; i < count; ++i) out[j + i] = rest[i];
            }
        }
    });
}

}  // namespace
}  // namespace rsir
