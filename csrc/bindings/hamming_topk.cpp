#include "kernels/hamming_topk.h"

#include "bindings/cpu.h"

namespace rsir::bindings {
namespace {

// hamming_topk or hamming_topk_prepared: the same but for what the database is.
using Search = Status (*)(const std::uint8_t*, std::int64_t, const std::uint8_t*, std::int64_t, std::int64_t,
                          std::int64_t, std::int32_t*, std::int64_t*, const Context&);

template <Search kSearch>
std::string search(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t bits,
                   std::int64_t k, std::uintptr_t distances, std::uintptr_t ids, int threads, const std::string& isa) {
    return run(threads, isa, [&](const Context& context) {
        return kSearch(pointer<const std::uint8_t>(queries), q, pointer<const std::uint8_t>(database), n, bits, k,
                       pointer<std::int32_t>(distances), pointer<std::int64_t>(ids), context);
    });
}

}  // namespace

void register_hamming_topk(py::module_& m) {
    m.attr("MAX_CODE_BITS") = kMaxCodeBits;
    m.def("hamming_topk", search<hamming_topk>);
    m.def("hamming_topk_prepared", search<hamming_topk_prepared>);
    m.def("hamming_planes_bytes", hamming_planes_bytes);
    m.def("hamming_prepare", [](std::uintptr_t database, std::int64_t n, std::int64_t bits, std::uintptr_t planes,
                                int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return hamming_prepare(pointer<const std::uint8_t>(database), n, bits, pointer<std::uint8_t>(planes),
                                   context);
        });
    });
}

}  // namespace rsir::bindings
