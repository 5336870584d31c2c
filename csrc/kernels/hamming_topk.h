// Exact k nearest binary codes by Hamming distance.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace rsir {

// queries [q, ceil(bits/8)], database [n, ceil(bits/8)] row-major bytes as made by pack_codes; n < 2^32.
// Bits of the last byte beyond `bits` are ignored.
// distances [q, k] int32 and ids [q, k] int64, ordered by (distance, id); slots beyond n hold INT32_MAX and -1.
Status hamming_topk(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* database, std::int64_t n,
                    std::int64_t bits, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
                    const Context& context);

}  // namespace rsir
