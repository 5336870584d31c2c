// Which codes a Hamming search may answer with: as the scan of planes reads them, and gathered where they are few.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/allowed.h"
#include "kernels/context.h"
#include "kernels/cpu/hamming_topk_planes.h"

namespace rsir {

// The allowed codes of a block of planes.
class BlockMask {
  public:
    BlockMask() = default;
    BlockMask(const BlockMask&) = delete;  // bits_ may point to own_
    BlockMask& operator=(const BlockMask&) = delete;

    void read(const Allowed& allowed, const PlaneLayout& layout, std::int64_t block);

    // Bit i: group i has an allowed code.
    std::uint32_t groups() const { return groups_; }

    // As HammingKernels::scan takes them, from a group on.
    const std::uint8_t* bits(std::int64_t group) const {
        return bits_ == nullptr ? nullptr : bits_ + group * kGroupBytes;
    }

    // Calls body(begin, end) for every run of groups with an allowed code within [from, to).
    template <class Body>
    void each_run(std::int64_t from, std::int64_t to, const Body& body) const {
        for (std::int64_t group = from; group < to; ++group) {
            if ((groups_ >> group & 1) == 0) continue;
            const std::int64_t begin = group;
            while (group < to && (groups_ >> group & 1) != 0) ++group;
            body(begin, group);
        }
    }

  private:
    std::uint32_t groups_ = 0;
    const std::uint8_t* bits_ = nullptr;  // null: all; or within the bitmap of all rows; or own_
    alignas(64) std::uint8_t own_[kBlockGroups * kGroupBytes];
};

// Whether one of the rows [first, last) is allowed.
bool any_allowed(const Allowed& allowed, std::int64_t first, std::int64_t last);

// How many codes are allowed.
Status count_allowed(const Allowed& allowed, std::int64_t& m, const Context& context);

// The numbers of the m allowed codes, increasing.
Status allowed_ids(const Allowed& allowed, std::int64_t m, std::vector<std::uint32_t>& ids, const Context& context);

// Writes those codes of a prepared source, or of rows, one after the other as rows.
Status gather_codes(const PlaneSource& source, const std::vector<std::uint32_t>& ids, std::uint8_t* codes,
                    const Context& context);

}  // namespace rsir
