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

    // Chooses the first panels with an allowed row, `most` at most, among begin, ..., end - 1; returns where to go on.
    std::int64_t choose(std::int64_t begin, std::int64_t end, std::int64_t most);

    // Those chosen, increasing.
    const std::vector<std::uint32_t>& chosen() const { return chosen_; }

    // The excess of their rows, panel after panel.
    const float* excess() const { return excess_; }

    // How many panels have an allowed row.
    static std::int64_t count(const Allowed& allowed);

  private:
    const Sidecar& sidecar_;
    const Allowed allowed_;
    std::vector<std::uint32_t> chosen_;
    std::vector<float> raised_;  // the excess where not all rows are allowed
    const float* excess_ = nullptr;
};

}  // namespace rsir
