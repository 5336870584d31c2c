// The canonical distance: the sum of (q_i - x_i)^2 in float64, in the order of lanes.h, without rounding to float32.
//
// Three ways to it, with the same bits: `tile` for many queries against many rows, both packed into panels once;
// `gather` for one query against chosen rows as they are stored; and both on every instruction set.
#pragma once

#include <cstdint>

#include "kernels/context.h"
#include "kernels/rows.h"

namespace rsir {

// What one instruction set contributes. A panel holds `height` rows of a matrix, widened to float64, padded with zeros
// to padded(d) columns, in the order in which its tile reads them: padded(d) * height numbers, best aligned to 64
// bytes.
struct CanonicalDistance {
    const char* isa;
    int queries;   // height of a panel of queries
    int rows;      // height of a panel of rows
    int capacity;  // numbers that tile writes, at least queries * rows

    // Packs rows first, ..., first + count - 1 of `ids`, or of the matrix where ids is null; count <= height, and the
    // rest of the panel is zeros.
    void (*pack)(const Rows& matrix, const std::int64_t* ids, std::int64_t first, std::int64_t count, int height,
                 double* panel);

    // out[i * rows + j] = distance of query i and row j of two panels; `size` = padded(d).
    void (*tile)(const double* query_panel, const double* row_panel, std::int64_t size, double* out);

    // Row `row` of the matrix as float64, padded with zeros to padded(d) numbers: the query that gather takes.
    void (*widen)(const Rows& matrix, std::int64_t row, double* out);

    // out[j] = distance of `query` (float64, padded(d) numbers, zeros at the end) and row ids[j] of the matrix, for
    // j < m; where ids is null, row j. The next `coming` rows after those, wanted soon, are fetched into the cache.
    void (*gather)(const double* query, const Rows& matrix, const std::uint32_t* ids, std::int64_t m,
                   std::int64_t coming, double* out);
};

extern const CanonicalDistance canonical_distance_scalar;
extern const CanonicalDistance canonical_distance_neon;
extern const CanonicalDistance canonical_distance_avx2;
extern const CanonicalDistance canonical_distance_avx512;

const CanonicalDistance& canonical_distance(Isa isa);

// out [d]: a row as float64.
void widen_row(const Rows& matrix, std::int64_t row, double* out);

}  // namespace rsir
