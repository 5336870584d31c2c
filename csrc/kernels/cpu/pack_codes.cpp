#include "kernels/pack_codes.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/pack_codes_isa.h"
#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kTaskElements = std::int64_t{1} << 20;

const PackBytes& pack_bytes(Isa isa) { return RSIR_BY_ISA(isa, pack_bytes); }

}  // namespace

template <class T>
Status pack_codes(const T* values, std::int64_t n, std::int64_t b, std::uint8_t* codes, const Context& context) {
    if (n == 0 || b == 0) return Status::ok;
    const PackBytes& passes = pack_bytes(context.isa);
    context.report(passes.isa);
    const auto pack = [&passes](const T* from, std::int64_t bytes, std::uint8_t* to) {
        if constexpr (std::is_same_v<T, float>) {
            passes.from_float(from, bytes, to);
        } else {
            passes.from_double(from, bytes, to);
        }
    };
    const std::int64_t whole = b / 8, bytes = (b + 7) / 8;
    const std::int64_t rows = std::max<std::int64_t>(1, kTaskElements / b);
    return parallel_for(context, (n + rows - 1) / rows, [&](std::int64_t task, Poll&) {
        const std::int64_t first = task * rows, last = std::min(n, first + rows);
        if (whole == bytes) {  // codes follow each other without a gap: one long row
            pack(values + first * b, (last - first) * bytes, codes + first * bytes);
            return;
        }
        for (std::int64_t i = first; i < last; ++i) {
            const T* row = values + i * b;
            std::uint8_t* code = codes + i * bytes;
            pack(row, whole, code);
            unsigned rest = 0;
            for (std::int64_t j = 8 * whole; j < b; ++j) rest |= static_cast<unsigned>(row[j] > 0) << (j % 8);
            code[whole] = static_cast<std::uint8_t>(rest);
        }
    });
}

template Status pack_codes(const float*, std::int64_t, std::int64_t, std::uint8_t*, const Context&);
template Status pack_codes(const double*, std::int64_t, std::int64_t, std::uint8_t*, const Context&);

}  // namespace rsir
