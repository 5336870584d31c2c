#include "kernels/cpu/sidecar_block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace rsir {
namespace {

constexpr std::int64_t kPart = 64, kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{1} << 21;

std::shared_ptr<std::uint8_t> allocate(std::size_t bytes) {
    const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kPage;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
#ifdef __linux__
    // A scan of gigabytes meets many pages; where refused, the small ones do.
    if (alignment == kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return {static_cast<std::uint8_t*>(memory), [](std::uint8_t* block) { std::free(block); }};
}

// Where the parts of a block begin, one after the other; and of `wild`, where the block ends without it.
void lay_out(SidecarHeader& header, Precision precision, bool with_mean) {
    const std::int64_t groups = Sidecar::groups_of(header.n), rows = groups * Sidecar::kGroup;
    std::int64_t end = sizeof header;
    const auto part = [&end](std::int64_t bytes, std::int64_t alignment) {
        const std::int64_t begin = (end + alignment - 1) / alignment * alignment;
        end = begin + bytes;
        return begin;
    };
    if (with_mean) header.mean = part(header.d * 4, kPart);
    header.scale = part(rows * 4, kPart);
    header.radius = part(rows * 4, kPart);
    header.excess = part(rows * 4, kPart);
    header.panels = part(groups * Sidecar::steps_of(header.d, precision) * kPart, kPage);
    header.wild = part(0, kPart);
}

[[noreturn]] void refuse(const std::string& expected, const std::string& found) {
    throw std::invalid_argument("sidecar: expected " + expected + ", got " + found + "; make it again from its matrix");
}

}  // namespace

std::shared_ptr<std::uint8_t> new_sidecar_block(std::int64_t n, std::int64_t d, Precision precision, bool with_mean,
                                                Normalize normalize) {
    SidecarHeader header{};
    std::memcpy(header.magic, SidecarHeader::kMagic, sizeof header.magic);
    header.version = SidecarHeader::kVersion;
    header.byte_order = SidecarHeader::kByteOrder;
    header.panel_kind = SidecarHeader::kPanelKind;
    header.code_bytes = precision == Precision::int16 ? 2 : 1;
    header.normalize = normalize;
    header.n = n;
    header.d = d;
    lay_out(header, precision, with_mean);
    header.bytes = header.wild;
    // Pages behind the last wild row are never touched.
    std::shared_ptr<std::uint8_t> block = allocate(static_cast<std::size_t>(header.wild + 4 * n));
    std::memcpy(block.get(), &header, sizeof header);
    const std::int64_t rows = Sidecar::groups_of(n) * Sidecar::kGroup;
    const std::int64_t panels_end = header.panels + Sidecar::groups_of(n) * Sidecar::steps_of(d, precision) * kPart;
    const auto clear = [&](std::int64_t from, std::int64_t to) {
        std::memset(block.get() + from, 0, static_cast<std::size_t>(to - from));
    };
    if (with_mean) clear(header.mean + 4 * d, header.scale);
    clear(header.excess + 4 * rows, header.panels);
    clear(panels_end, header.wild);
    return block;
}

Sidecar read_sidecar(const std::uint8_t* block, std::int64_t size) {
    if (reinterpret_cast<std::uintptr_t>(block) % kPart != 0)
        refuse("memory at a multiple of 64 bytes", "other memory");
    if (size < static_cast<std::int64_t>(sizeof(SidecarHeader))) {
        refuse("a block of at least 256 bytes", std::to_string(size));
    }
    const auto* header = reinterpret_cast<const SidecarHeader*>(block);
    if (std::memcmp(header->magic, SidecarHeader::kMagic, sizeof header->magic) != 0) {
        refuse("a block that begins with 'rsir sc'", "another file");
    }
    const auto require = [](const char* what, std::uint32_t expected, std::uint32_t found) {
        if (found != expected) refuse(what + (" " + std::to_string(expected)), std::to_string(found));
    };
    require("byte order", SidecarHeader::kByteOrder, header->byte_order);
    require("format version", SidecarHeader::kVersion, header->version);
    require("panel kind", SidecarHeader::kPanelKind, header->panel_kind);
    if (header->bytes != size) refuse(std::to_string(header->bytes) + " bytes", std::to_string(size));
    const bool is_known = (header->code_bytes == 1 || header->code_bytes == 2) &&
                          (header->normalize == Normalize::none || header->normalize == Normalize::row) &&
                          header->n >= 1 && header->n < (std::int64_t{1} << 32) && header->d >= 1 &&
                          header->d <= Sidecar::kMaxWidth && header->wild_count >= 0 && header->wild_count <= header->n;
    if (!is_known) refuse("sizes and kinds of a sidecar", "others");
    Sidecar sidecar;
    sidecar.n = header->n;
    sidecar.d = header->d;
    sidecar.precision = header->code_bytes == 2 ? Precision::int16 : Precision::int8;
    const std::int64_t groups = sidecar.groups(), rows = groups * Sidecar::kGroup;
    const auto part = [&](std::int64_t begin, std::int64_t bytes) {
        const bool is_inside = begin >= static_cast<std::int64_t>(sizeof *header) && begin % kPart == 0 &&
                               begin <= size && bytes <= size - begin;
        if (!is_inside) refuse("parts within the block", "one that ends beyond it");
        return block + begin;
    };
    if (header->mean != 0) sidecar.mean = reinterpret_cast<const float*>(part(header->mean, 4 * header->d));
    sidecar.scale = reinterpret_cast<const float*>(part(header->scale, 4 * rows));
    sidecar.radius = reinterpret_cast<const float*>(part(header->radius, 4 * rows));
    sidecar.excess = reinterpret_cast<const float*>(part(header->excess, 4 * rows));
    sidecar.panels = part(header->panels, groups * sidecar.steps() * kPart);
    sidecar.wild = reinterpret_cast<const std::uint32_t*>(part(header->wild, 4 * header->wild_count));
    sidecar.wild_count = header->wild_count;
    sidecar.widest = header->widest;
    sidecar.longest = header->longest;
    sidecar.header = header;
    const std::uint32_t* end = sidecar.wild + sidecar.wild_count;
    const bool is_increasing = std::adjacent_find(sidecar.wild, end, std::greater_equal<>()) == end;
    if (!is_increasing || (sidecar.wild_count > 0 && end[-1] >= sidecar.n)) {
        refuse("rows without a bound in increasing order", "others");
    }
    return sidecar;
}

}  // namespace rsir
