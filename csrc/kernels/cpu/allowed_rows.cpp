#include "kernels/cpu/allowed_rows.h"

#include <algorithm>
#include <iterator>

namespace rsir {

AllowedRows::AllowedRows(const Allowed& allowed) : allowed_(allowed), count_(allowed.n) {
    if (all()) return;
    before_.push_back(0);
    for (std::int64_t row = 0; row < allowed.n; row += kStretch) {
        before_.push_back(before_.back() + allowed.count(row, std::min(allowed.n, row + kStretch)));
    }
    count_ = before_.back();
}

std::int64_t AllowedRows::row_at(std::int64_t place) const {
    if (all()) return place;
    if (place >= count_) return allowed_.n;
    std::int64_t row = 0;
    take(place, 1, &row);
    return row;
}

void AllowedRows::take(std::int64_t first, std::int64_t count, std::int64_t* rows) const {
    if (count == 0) return;
    // The last stretch with no more than `first` rows before it: it holds that place.
    auto stretch = std::upper_bound(before_.begin(), before_.end(), first) - before_.begin() - 1;
    std::int64_t skip = first - before_[static_cast<std::size_t>(stretch)];
    for (std::int64_t row = stretch * kStretch, taken = 0; taken < count;) {
        std::uint64_t word = allowed_.word(row);
        const int ones = __builtin_popcountll(word);
        if (skip >= ones) {
            skip -= ones;
        } else {
            for (; skip > 0; --skip) word &= word - 1;
            for (; word != 0 && taken < count; word &= word - 1) rows[taken++] = row + __builtin_ctzll(word);
        }
        row += 64;
        if (row % kStretch != 0 || taken == count) continue;
        // Past stretches without an allowed row.
        stretch = row / kStretch;
        while (before_[static_cast<std::size_t>(stretch)] == before_[static_cast<std::size_t>(stretch + 1)]) ++stretch;
        row = stretch * kStretch;
    }
}

std::vector<std::uint32_t> AllowedRows::among(const std::uint32_t* rows, std::int64_t count) const {
    std::vector<std::uint32_t> found;
    std::copy_if(rows, rows + count, std::back_inserter(found),
                 [this](std::uint32_t row) { return allowed_.has(row); });
    return found;
}

}  // namespace rsir
