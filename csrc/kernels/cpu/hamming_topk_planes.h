// Bit planes: making them, asking them, reading distances back.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/context.h"
#include "kernels/cpu/hamming_topk_isa.h"

namespace rsir {

const HammingKernels& hamming_kernels(Isa isa);

// Blocks of bit planes: of a prepared database, or made from rows when they are asked for. Some of the codes: from the
// rows where these are known, or read back from the planes.
class PlaneSource {
  public:
    // One of `planes` and `rows` may be null.
    PlaneSource(const PlaneLayout& layout, const std::uint8_t* planes, const std::uint8_t* rows,
                const HammingKernels& kernels)
        : layout_(layout), planes_(planes), rows_(rows), kernels_(kernels) {}

    const PlaneLayout& layout() const { return layout_; }
    const HammingKernels& kernels() const { return kernels_; }
    bool is_prepared() const { return planes_ != nullptr; }

    bool has_rows() const { return rows_ != nullptr; }

    // Writes the codes of increasing numbers, which must lie in one group where there are no rows, as rows.
    void codes(const std::uint32_t* numbers, std::int64_t count, std::uint8_t* rows) const;

    // Asks for what codes() reads.
    void fetch(const std::uint32_t* numbers, std::int64_t count) const;

    // What one thread needs to ask for blocks.
    struct Scratch {
        std::vector<std::uint8_t> block;
    };
    // The groups that are not wanted (bit i: group i) may hold anything.
    const std::uint8_t* block(std::int64_t number, std::uint32_t wanted, Scratch& scratch) const;

    // Writes the wanted groups of block `number` made from the rows.
    void make(std::int64_t number, std::uint32_t wanted, std::uint8_t* block) const;

  private:
    const PlaneLayout& layout_;
    const std::uint8_t* planes_;
    const std::uint8_t* rows_;
    const HammingKernels& kernels_;
};

// One query against planes, with the offsets it lists.
class PlaneQuery {
  public:
    PlaneQuery(const std::uint8_t* code, const PlaneLayout& layout);
    PlaneQuery(PlaneQuery&&) = default;  // never copied: sliced() points into offsets_
    PlaneQuery& operator=(PlaneQuery&&) = default;

    const SlicedQuery& sliced() const { return query_; }
    std::int64_t listed() const { return query_.count; }
    std::uint32_t limit() const { return limit_; }
    void set_limit(std::uint32_t limit) {
        limit_ = limit;
        set_threshold(limit, query_.threshold_zeros, query_.negate);
    }

    // The codes in the masks of the hits that are nearer than `limit`.
    std::int64_t count_nearer(const SlicedHit* hits, std::int64_t found, std::uint32_t limit,
                              const HammingKernels& kernels) const;

    // The distances of the 64 codes of one word of a hit.
    void distances(const SlicedHit& hit, int word, std::uint16_t* out) const;
    std::uint32_t distance(const SlicedHit& hit, int word, int bit) const;

  private:
    void set_threshold(std::uint32_t limit, std::uint32_t* zeros, std::uint32_t& negate) const;
    std::uint32_t from_sum(std::uint32_t v) const {
        const auto base = static_cast<std::uint32_t>(query_.base);
        return query_.lists_ones ? base - v : v - base;
    }

    std::vector<std::uint32_t> offsets_;
    SlicedQuery query_;
    std::uint32_t limit_ = 0;
};

}  // namespace rsir
