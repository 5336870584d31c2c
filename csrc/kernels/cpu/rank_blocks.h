// Counts, for every query, how many rows stand before each of its marks: block of queries by block of rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/allowed.h"
#include "kernels/context.h"
#include "kernels/cpu/allowed_rows.h"
#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/rank_marks.h"
#include "kernels/cpu/single_product.h"
#include "kernels/rows.h"

namespace rsir {

// Consecutive rows of the database, from row `first` on.
struct RankPart {
    Rows rows;
    AllowedRows allowed;
    std::int64_t first, end;
};

struct RankOperands {
    Rows queries;
    std::vector<RankPart> parts;
    Allowed bits;
    std::int64_t allowed;  // rows
    std::int64_t own_row;  // query j is row own_row + j, or -1: queries are something else, or not all rows are allowed
    const CanonicalDistance& canonical;
    const SingleProduct& product;
    bool is_certified;
    // For the certified pass: what is subtracted from all, and of rows after it the norms, NaN where they are always
    // decided, and what they add to the error of distances.
    std::vector<float> mean;
    struct Lengths {
        std::vector<float> norms, offs;
    } items, asked;
    Context context;

    const RankPart& part_of(std::int64_t row) const {
        return *std::find_if(parts.begin(), parts.end(), [&](const RankPart& part) { return row < part.end; });
    }
};

// marks: ordered. Where queries are rows of the database, each pair of them is measured once for both: the canonical
// distance and its certified approximation have the same bits both ways.
// Memory: 4 MiB of distances and 8 MiB of rows a thread, or 48 rows of each side.
Status count_all(const RankOperands& operands, RankMarks& marks, std::int64_t q);

}  // namespace rsir
