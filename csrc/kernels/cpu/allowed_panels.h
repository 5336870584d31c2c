// Keeps rows that are not allowed out of a scan of a sidecar's panels, on every instruction set alike: tiles are given
// an infinite excess for them, which no test passes, and panels without an allowed row are left out.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/allowed.h"
#include "kernels/sidecar.h"

namespace rsir {

class AllowedPanels {
  public:
    AllowedPanels(const Sidecar& sidecar, const Allowed& allowed) : sidecar_(sidecar), allowed_(allowed) {}

    // Panels begin, ..., end - 1 are asked for next; false if none of them has an allowed row.
    bool enter(std::int64_t begin, std::int64_t end);

    // The excess of the rows of panel g, and of those behind it.
    const float* excess(std::int64_t g) const {
        return allowed_.all() ? sidecar_.excess.data() + g * Sidecar::kGroup
                              : excess_.data() + (g - begin_) * Sidecar::kGroup;
    }

    // Whether every one of panels g, ..., g + count - 1 has an allowed row.
    bool whole(std::int64_t g, std::int64_t count) const {
        if (allowed_.all()) return true;
        for (std::int64_t i = 0; i < count; ++i) {
            if (!has_rows(g + i)) return false;
        }
        return true;
    }

    bool has_rows(std::int64_t g) const { return has_rows_[static_cast<std::size_t>(g - begin_)] != 0; }

  private:
    const Sidecar& sidecar_;
    const Allowed allowed_;
    std::int64_t begin_ = 0;
    std::vector<float> excess_;           // of the panels entered
    std::vector<std::uint8_t> has_rows_;  // each of them
};

}  // namespace rsir
