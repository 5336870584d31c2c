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

// The allowed ones of codes [first, last), copied side by side, some at a time. What is next is asked for meanwhile.
class AllowedCodes {
  public:
    // Not for a prepared database whose rows are not known.
    AllowedCodes(const PlaneSource& source, const Allowed& allowed, std::int64_t first, std::int64_t last);

    std::int64_t most() const { return most_; }

    // Copies the next ones, at most `most`, and returns how many they are: 0 where there are none left.
    std::int64_t next();

    const std::uint8_t* codes() const { return codes_.data(); }
    std::uint32_t id(std::int64_t i) const { return ids_[static_cast<std::size_t>(begin_ + i)]; }

  private:
    void ask();

    const PlaneSource& source_;
    const Allowed allowed_;  // of the range
    const std::int64_t first_;
    std::int64_t most_;
    std::int64_t row_ = 0;  // from which on the range has not been looked at
    std::vector<std::uint32_t> ids_;
    // Of the `count_` ids from `begin_` on the codes are copied; up to `asked_` they are asked for, then only found.
    std::int64_t begin_ = 0, count_ = 0, asked_ = 0, found_ = 0;
    std::vector<std::uint8_t> codes_;
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
