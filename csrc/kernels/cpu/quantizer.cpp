#include "kernels/cpu/quantizer.h"

#include <algorithm>
#include <cstring>

namespace rsir {
namespace {

typedef std::uint32_t Words __attribute__((vector_size(16)));

#if defined(__clang__)
#define RSIR_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define RSIR_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, Words{i, j, k, l})
#endif

// Four words of each of 16 rows, `row_bytes` apart, to 16 words of each of four steps, their bits flipped by `flip`.
// Whole cache lines are written: one row after another would write 4 bytes of each.
void interleave(const std::uint8_t* rows, std::int64_t row_bytes, std::uint32_t flip, std::uint8_t* out) {
    constexpr std::int64_t kLine = Sidecar::kGroup * 4;
    const auto row = [&](std::int64_t i) {
        Words words;
        std::memcpy(&words, rows + i * row_bytes, sizeof words);
        return words ^ flip;
    };
    for (std::int64_t i = 0; i < Sidecar::kGroup; i += 4) {
        const Words a = row(i), b = row(i + 1), c = row(i + 2), d = row(i + 3);
        const Words ab01 = RSIR_SHUFFLE(a, b, 0, 4, 1, 5), ab23 = RSIR_SHUFFLE(a, b, 2, 6, 3, 7);
        const Words cd01 = RSIR_SHUFFLE(c, d, 0, 4, 1, 5), cd23 = RSIR_SHUFFLE(c, d, 2, 6, 3, 7);
        const Words steps[] = {RSIR_SHUFFLE(ab01, cd01, 0, 1, 4, 5), RSIR_SHUFFLE(ab01, cd01, 2, 3, 6, 7),
                               RSIR_SHUFFLE(ab23, cd23, 0, 1, 4, 5), RSIR_SHUFFLE(ab23, cd23, 2, 3, 6, 7)};
        for (int t = 0; t < 4; ++t) std::memcpy(out + t * kLine + i * 4, &steps[t], sizeof steps[t]);
    }
}

}  // namespace

Quantizer::Quantizer(std::int64_t d, const float* mean, Precision precision, const Certify& certify)
    : certify_(certify),
      mean_(mean),
      precision_(precision),
      size_((d + 15) / 16 * 16),
      centred_(static_cast<std::size_t>(size_)),
      codes_(static_cast<std::size_t>(Sidecar::kGroup * row_bytes())) {}

Code Quantizer::run(const Rows& rows, std::int64_t row, std::int32_t limit, std::int64_t place) {
    certify_.centre(rows, row, mean_, centred_.data());
    void* codes = codes_.data() + place * row_bytes();
    return precision_ == Precision::int8
               ? certify_.quantize8(centred_.data(), rows.d, size_, limit, static_cast<std::int8_t*>(codes))
               : certify_.quantize16(centred_.data(), rows.d, size_, static_cast<std::int16_t*>(codes));
}

void Quantizer::run_panel(const Rows& rows, std::int64_t first, std::int64_t count, Code* found, std::uint8_t* panel) {
    for (std::int64_t i = 0; i < count; ++i) {
        // The next row is fetched while this one is quantised.
        const auto* next = static_cast<const char*>(rows.from(first + std::min(i + 1, count - 1)).data);
        for (std::int64_t byte = 0; byte < rows.row_bytes(); byte += 64) __builtin_prefetch(next + byte);
        found[i] = run(rows, first + i, kRowLimit, i);
    }
    if (count < Sidecar::kGroup) {
        std::memset(codes_.data() + count * row_bytes(), 0,
                    static_cast<std::size_t>((Sidecar::kGroup - count) * row_bytes()));
    }
    const bool is8 = precision_ == Precision::int8;
    const std::uint32_t flip = is8 ? 0x80808080u : 0;
    const std::int64_t steps = is8 ? (rows.d + 3) / 4 : (rows.d + 1) / 2;
    constexpr std::int64_t kLine = Sidecar::kGroup * 4;
    for (std::int64_t t = 0; t < steps; t += 4) {
        const std::uint8_t* codes = codes_.data() + 4 * t;
        if (t + 4 <= steps) {
            interleave(codes, row_bytes(), flip, panel + t * kLine);
        } else {
            std::uint8_t last[4 * kLine];
            interleave(codes, row_bytes(), flip, last);
            std::memcpy(panel + t * kLine, last, static_cast<std::size_t>((steps - t) * kLine));
        }
    }
}

}  // namespace rsir
