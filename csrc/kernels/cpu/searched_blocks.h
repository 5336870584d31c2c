// The rows of a database as a search sees them: blocks that lie in several places, one after the other.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/allowed_rows.h"
#include "kernels/rows.h"
#include "kernels/sidecar.h"

namespace rsir {

struct SearchedBlock {
    Rows rows;
    AllowedRows allowed;     // of them, rows that can be answers
    const Sidecar* sidecar;  // null: there is none
    std::int64_t first;      // row of the whole database with which it begins
};

struct SearchedBlocks {
    const SearchedBlock* blocks;
    std::int64_t count;

    const SearchedBlock* begin() const { return blocks; }
    const SearchedBlock* end() const { return blocks + count; }
    const SearchedBlock& operator[](std::int64_t i) const { return blocks[i]; }

    std::int64_t allowed() const {
        std::int64_t sum = 0;
        for (const SearchedBlock& block : *this) sum += block.allowed.count();
        return sum;
    }
};

}  // namespace rsir
