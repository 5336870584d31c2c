// A small, low-precision copy of a database, from which a search can prove which rows cannot be among the k nearest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/context.h"
#include "kernels/rows.h"

namespace rsir {

// Bytes of a code. A search with int8 reads half the memory and does half the work; int16 leaves next to no doubt,
// where int8 leaves too much (wide vectors without structure, large k).
enum class Precision { automatic, int8, int16 };

// A sidecar is one block of bytes, the same in memory and in a file, and the same whatever instruction set wrote it. It
// begins with this; parts begin at multiples of 64 bytes, panels at one of 4096, and what lies between them is 0.
struct SidecarHeader {
    static constexpr char kMagic[8] = {'r', 's', 'i', 'r', ' ', 's', 'c', '\n'};
    static constexpr std::uint32_t kVersion = 1, kByteOrder = 0x01020304, kPanelKind = 1;

    char magic[8];
    std::uint32_t version;
    std::uint32_t byte_order;
    std::uint32_t panel_kind;  // 1: as Sidecar::panels says
    std::uint32_t code_bytes;  // 1 or 2
    Normalize normalize;       // of the rows that were copied
    float widest;              // the largest radius
    float longest;             // the largest |s c|
    std::uint32_t reserved;
    std::int64_t n, d, wild_count;
    std::int64_t bytes;  // of the block
    // Where parts begin; 0: there is none. Rows that are normalised as they are read have mean and deviation computed
    // again: so few are decided that keeping both, 16 bytes a row, would not pay.
    std::int64_t mean, scale, radius, excess, panels, wild;
    std::uint8_t digest[32];  // of the matrix, by whoever keeps both; all 0: not known
    std::uint8_t rest[104];
};
static_assert(sizeof(SidecarHeader) == 256);

// Row y of the database is stored as s * c + (a residual of norm <= rho), after subtracting one vector `mean` from all
// rows: c are integer codes, s = `scale`, rho = `radius`. Made by build_sidecar, read by certified_topk; see
// kernels/cpu/certify.h for what the numbers prove.
struct Sidecar {
    static constexpr std::int64_t kGroup = 16;          // rows interleaved in one panel
    static constexpr std::int64_t kMaxWidth = 1 << 16;  // below, an int32 dot product of int8 codes cannot overflow

    std::int64_t n = 0;
    std::int64_t d = 0;
    Precision precision = Precision::int8;
    const float* mean = nullptr;  // [d]; null: zero
    // [groups][steps][kGroup rows][4 bytes]: four int8 codes + 128, or two int16 codes; columns beyond d are code 0.
    const std::uint8_t* panels = nullptr;
    // [groups * kGroup] each; rows beyond n, and wild rows, have excess = +inf and so never become candidates.
    const float* scale = nullptr;
    const float* radius = nullptr;
    const float* excess = nullptr;        // |s c|^2, rounded down with a margin
    float widest = 0;                     // the largest radius
    float longest = 0;                    // the largest |s c|
    const std::uint32_t* wild = nullptr;  // rows with an element that is not finite or too large for the bounds
    std::int64_t wild_count = 0;

    const SidecarHeader* header = nullptr;  // the block
    std::shared_ptr<std::uint8_t> memory;   // its owner, where build_sidecar made it

    std::int64_t steps() const { return steps_of(d, precision); }
    std::int64_t groups() const { return groups_of(n); }
    std::int64_t bytes() const { return header == nullptr ? 0 : header->bytes; }

    static std::int64_t steps_of(std::int64_t d, Precision precision) {
        return precision == Precision::int16 ? (d + 1) / 2 : (d + 3) / 4;
    }
    static std::int64_t groups_of(std::int64_t n) { return (n + kGroup - 1) / kGroup; }
};

// 1 <= rows.d <= Sidecar::kMaxWidth, n < 2^32. Automatic precision: that with which a search for k neighbours is
// expected to cost least, judged by a sample. `normalized`: what the block says of rows that are read as they are.
Status build_sidecar(const Rows& rows, std::int64_t n, Precision precision, std::int64_t k, Sidecar& sidecar,
                     const Context& context, Normalize normalized = Normalize::none);

// The sidecar whose block lies at `block`, a multiple of 64, and is read there. Throws std::invalid_argument, in a
// sentence, for what is no block of `size` bytes, of this version and panel kind; numbers within it are believed, as
// far as no one of them makes a search read elsewhere.
Sidecar read_sidecar(const std::uint8_t* block, std::int64_t size);

}  // namespace rsir
