// What one instruction set contributes to hamming_topk.
#pragma once

#include <cstdint>

#include "kernels/cpu/hamming_topk_layout.h"

namespace rsir {

// A query against bit planes. With w = 2^levels - 1 - |y| and c = the ones of y in the listed planes, v = w + 2c gives
// the distance: the planes listed are those of the ones of q, and then d = base - v; or, where those would be more than
// half, those of its zeros, and then d = v - base. Either way at most half of the planes are read.
struct SlicedQuery {
    int levels = 0;
    bool lists_ones = true;
    std::int32_t base = 0;
    std::int64_t stride = 0;
    std::int64_t count = 0;
    const std::uint32_t* offsets = nullptr;  // [count], of the listed planes from the start of a block
    // The test d < limit, as v >= t or not: for each bit of t, all ones where it is 0; then all ones to negate the
    // test.
    std::uint32_t threshold_zeros[kMaxLevels + 1] = {};
    std::uint32_t negate = 0;
};

// A group that holds allowed codes nearer than the limit. Word i of a mask or plane is codes 64 i to 64 i + 63.
struct SlicedHit {
    std::int64_t group;
    std::uint64_t mask[8];
    std::uint64_t v[kMaxLevels + 1][8];  // [levels + 1], lowest bit first; defined where the mask's word is not 0
};

struct RowHit {
    std::uint32_t row;
    std::uint32_t distance;
};

struct HammingKernels {
    const char* isa;
    // Writes one entry for every group of a block that has an allowed code nearer than the limit; returns their number.
    // allowed: a bit for each code, the lowest of a byte first; null where all are.
    std::int64_t (*scan)(const std::uint8_t* block, std::int64_t groups, const SlicedQuery& query,
                         const std::uint8_t* allowed, SlicedHit* hits);
    // Codes in the masks of the hits that pass the test of zeros[] and negate, which are as in SlicedQuery.
    std::int64_t (*count)(const SlicedHit* hits, std::int64_t hit_count, int levels, const std::uint32_t* zeros,
                          std::uint32_t negate);
    // 64 bits of 512 codes, words[64][8] with code 64 i + r in words[r][i], become 64 planes of 64 bytes; destroys
    // words.
    void (*transpose)(std::uint64_t* words, std::uint8_t* planes, std::int64_t stride);
    // The planes of w of one group, from all planes of the codes: `codes` is the query that lists every plane.
    void (*weigh)(std::uint8_t* group, const SlicedQuery& codes);
    // Rows nearer than `limit`, with their distances, in order; returns their number. No byte beyond the rows is read.
    std::int64_t (*scan_rows)(const std::uint8_t* query, const std::uint8_t* rows, std::int64_t count,
                              std::int64_t bits, std::uint32_t limit, RowHit* hits);
    // Writes the numbers of the ones in words[8 stretches], counted from `first`, and returns how many they are. Two
    // more are written, which are none.
    std::int64_t (*list)(const std::uint64_t* words, std::int64_t stretches, std::uint32_t first, std::uint32_t* to);
    // Up to so many queries, scan_rows is faster than transposing the rows for scan.
    std::int64_t (*row_queries)(std::int64_t bits);
};

extern const HammingKernels hamming_kernels_scalar;
extern const HammingKernels hamming_kernels_neon;
extern const HammingKernels hamming_kernels_avx2;
extern const HammingKernels hamming_kernels_avx512;

}  // namespace rsir
