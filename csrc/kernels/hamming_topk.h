// Exact k nearest binary codes by Hamming distance.
#pragma once

#include <cstdint>

#include "kernels/allowed.h"
#include "kernels/context.h"

namespace rsir {

constexpr std::int64_t kMaxCodeBits = 65535;

// queries [q, ceil(bits/8)], database [n, ceil(bits/8)] row-major bytes as made by pack_codes; n < 2^32,
// bits <= kMaxCodeBits. Bits of the last byte beyond `bits` are ignored.
// distances [q, k] int32 and ids [q, k] int64 of allowed rows, ordered by (distance, id); slots beyond their number
// hold INT32_MAX and -1. allowed.n is n.
Status hamming_topk(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* database, std::int64_t n,
                    std::int64_t bits, const Allowed& allowed, std::int64_t k, std::int32_t* distances,
                    std::int64_t* ids, const Context& context);

// The database in the form that the scan likes best, bit planes (see cpu/hamming_topk_layout.h): made once, searched
// often. `planes` has hamming_planes_bytes(n, bits) bytes; every one of them is written, the same on every machine.
std::int64_t hamming_planes_bytes(std::int64_t n, std::int64_t bits);
Status hamming_prepare(const std::uint8_t* database, std::int64_t n, std::int64_t bits, std::uint8_t* planes,
                       const Context& context);
// `rows`: the codes it was made from, of which few are read where few are allowed; or null.
Status hamming_topk_prepared(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* planes,
                             const std::uint8_t* rows, std::int64_t n, std::int64_t bits, const Allowed& allowed,
                             std::int64_t k, std::int32_t* distances, std::int64_t* ids, const Context& context);

}  // namespace rsir
