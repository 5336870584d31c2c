// The canonical distances of all marks: the only distances of exact ranks that are always computed in float64.
#pragma once

#include <cstdint>

#include "kernels/cpu/rank_blocks.h"
#include "kernels/cpu/rank_marks.h"

namespace rsir {

// Queries that share their relevant items are measured together; where they are these items, each pair once.
Status measure_marks(const RankOperands& operands, RankMarks& marks, std::int64_t q);

}  // namespace rsir
