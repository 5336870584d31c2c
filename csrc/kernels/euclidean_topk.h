// Exact k nearest database rows by squared Euclidean distance.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace rsir {

// queries [q, d], database [n, d] row-major, T = float or double; n < 2^32.
// distances [q, k] float and ids [q, k] int64, ordered by (distance, id).
//
// Canonical distance: the sum of (q_i - x_i)^2 in float64, without fused multiply-add, in the lane order of
// kernels/cpu/lanes.h, rounded once to float. NaN distances are stored as the one quiet NaN 0x7fc00000 and rank after
// infinity. Slots beyond n hold distance +inf and id -1.
template <class T>
Status euclidean_topk(const T* queries, std::int64_t q, const T* database, std::int64_t n, std::int64_t d,
                      std::int64_t k, float* distances, std::int64_t* ids, const Context& context);

}  // namespace rsir
