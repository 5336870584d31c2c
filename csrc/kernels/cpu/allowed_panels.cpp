#include "kernels/cpu/allowed_panels.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace rsir {
namespace {

// What is added to the excess of eight rows: 0 for those whose bit is set, infinity for the others.
struct Additions {
    std::array<std::array<float, 8>, 256> of_byte{};

    constexpr Additions() {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            for (std::size_t bit = 0; bit < 8; ++bit) {
                of_byte[byte][bit] = (byte >> bit & 1) != 0 ? 0.0f : std::numeric_limits<float>::infinity();
            }
        }
    }
};
constexpr Additions kAdditions;

}  // namespace

std::int64_t AllowedPanels::choose(std::int64_t begin, std::int64_t end, std::int64_t most) {
    constexpr std::int64_t kGroup = Sidecar::kGroup;
    if (allowed_.all()) {
        end = std::min(end, begin + most);
        chosen_.resize(static_cast<std::size_t>(end - begin));
        std::iota(chosen_.begin(), chosen_.end(), static_cast<std::uint32_t>(begin));
        excess_ = sidecar_.excess + begin * kGroup;
        return end;
    }
    chosen_.clear();
    raised_.resize(static_cast<std::size_t>(std::min(most, end - begin) * kGroup));
    excess_ = raised_.data();
    float* out = raised_.data();
    for (std::int64_t panel = begin; panel < end;) {
        std::uint64_t word = allowed_.word(panel * kGroup);
        const std::int64_t stop = std::min(end, panel + 64 / kGroup);
        for (; panel < stop; ++panel, word >>= kGroup) {
            const auto rows = static_cast<std::uint32_t>(word & 0xffff);
            if (rows == 0) continue;
            const float* own = sidecar_.excess + panel * kGroup;
            for (const std::uint32_t byte : {rows & 0xff, rows >> 8}) {
                for (const float addition : kAdditions.of_byte[byte]) *out++ = *own++ + addition;
            }
            chosen_.push_back(static_cast<std::uint32_t>(panel));
            if (static_cast<std::int64_t>(chosen_.size()) == most) return panel + 1;
        }
    }
    return end;
}

std::int64_t AllowedPanels::count(const Allowed& allowed) {
    constexpr std::uint64_t kHighest = 0x8000800080008000u;  // bit of each of four panels
    std::int64_t sum = 0;
    for (std::int64_t row = 0; row < allowed.n; row += 64) {
        const std::uint64_t word = allowed.word(row);
        const std::uint64_t any = (((word & ~kHighest) + ~kHighest) | word) & kHighest;
        sum += static_cast<std::int64_t>((any >> 15) * 0x0001000100010001u >> 48);
    }
    return sum;
}

}  // namespace rsir
