// How a database of binary codes lies in bit planes: the transposed form that hamming_topk scans.
//
// 512 codes are a group: one bit of each is 64 bytes of one plane. Up to 8 groups are a block, which holds its planes
// one after the other, each in one run, so that planes which a query does not need are never fetched. First come the
// `levels` planes of w = 2^levels - 1 - (ones in the code), lowest bit first, then one plane for each bit of the code.
// Codes beyond n are zero; the same bytes on every instruction set.
#pragma once

#include <algorithm>
#include <cstdint>

namespace rsir {

constexpr std::int64_t kGroupCodes = 512;
constexpr std::int64_t kGroupBytes = kGroupCodes / 8;
constexpr std::int64_t kBlockGroups = 8;
constexpr std::uint32_t kAllGroups = (1u << kBlockGroups) - 1;  // of a block, a bit for each
constexpr int kMaxLevels = 16;                                  // codes of at most 65535 bits

struct PlaneLayout {
    std::int64_t n;
    std::int64_t bits;
    int levels;           // of w: the bits of the number `bits`
    std::int64_t planes;  // levels + bits
    std::int64_t groups;  // of the whole database
    std::int64_t stride;  // bytes from one plane of a block to the next
    std::int64_t blocks;

    PlaneLayout(std::int64_t codes, std::int64_t code_bits) : n(codes), bits(code_bits), levels(0) {
        while (bits >> levels) ++levels;
        planes = levels + bits;
        groups = (n + kGroupCodes - 1) / kGroupCodes;
        // A small database is one block of just its groups.
        const std::int64_t block_groups = std::clamp<std::int64_t>(groups, 1, kBlockGroups);
        stride = block_groups * kGroupBytes;
        blocks = (groups + block_groups - 1) / block_groups;
    }

    std::int64_t block_codes() const { return stride * 8; }
    std::int64_t block_bytes() const { return stride * planes; }
    std::int64_t bytes() const { return blocks * block_bytes(); }
    std::int64_t groups_of(std::int64_t block) const {
        return std::min(groups - block * (stride / kGroupBytes), stride / kGroupBytes);
    }
};

}  // namespace rsir
