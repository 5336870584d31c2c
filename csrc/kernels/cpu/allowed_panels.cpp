#include "kernels/cpu/allowed_panels.h"

#include <algorithm>
#include <array>
#include <limits>

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

bool AllowedPanels::enter(std::int64_t begin, std::int64_t end) {
    if (allowed_.all()) return true;
    constexpr std::int64_t kGroup = Sidecar::kGroup, kWordGroups = 64 / kGroup;
    begin_ = begin;
    excess_.resize(std::max(excess_.size(), static_cast<std::size_t>((end - begin) * kGroup)));
    has_rows_.resize(std::max(has_rows_.size(), static_cast<std::size_t>(end - begin)));
    std::uint64_t any = 0;
    for (std::int64_t group = begin; group < end; group += kWordGroups) {
        const std::uint64_t word = allowed_.word(group * kGroup);
        any |= word;
        const std::int64_t count = std::min(kWordGroups, end - group);
        for (std::int64_t g = 0; g < count; ++g) {
            const std::uint64_t rows = word >> (g * kGroup) & 0xffff;
            has_rows_[static_cast<std::size_t>(group + g - begin)] = rows != 0;
            if (rows == 0) continue;
            const float* own = sidecar_.excess.data() + (group + g) * kGroup;
            float* out = excess_.data() + (group + g - begin) * kGroup;
            for (int half = 0; half < 2; ++half) {
                const auto& add = kAdditions.of_byte[rows >> (8 * half) & 0xff];
                for (std::size_t i = 0; i < 8; ++i) out[8 * half + i] = own[8 * half + i] + add[i];
            }
        }
    }
    return any != 0;
}

}  // namespace rsir
