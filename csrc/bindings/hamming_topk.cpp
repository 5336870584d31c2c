#include "kernels/hamming_topk.h"

#include "bindings/cpu.h"

namespace rsir::bindings {
namespace {

// hamming_topk or hamming_topk_prepared: the same but for what the database is. `where`: a bitmap, or 0 for all rows.
using Search = Status (*)(const std::uint8_t*, std::int64_t, const std::uint8_t*, std::int64_t, std::int64_t,
                          const Allowed&, std::int64_t, std::int32_t*, std::int64_t*, const Context&);

template <Search kSearch>
std::string search(Memory<const std::uint8_t> queries, std::int64_t q, Memory<const std::uint8_t> database,
                   std::int64_t n, std::int64_t bits, Memory<const std::uint8_t> where, std::int64_t k,
                   Memory<std::int32_t> distances, Memory<std::int64_t> ids, int threads, const std::string& isa) {
    const Allowed allowed{where.data, 0, n};
    return run(threads, isa, [&](const Context& context) {
        return kSearch(queries.data, q, database.data, n, bits, allowed, k, distances.data, ids.data, context);
    });
}

}  // namespace

void register_hamming_topk(py::module_& m) {
    m.attr("MAX_CODE_BITS") = kMaxCodeBits;
    m.def("hamming_topk", search<hamming_topk>);
    m.def("hamming_topk_prepared", search<hamming_topk_prepared>);
    m.def("hamming_planes_bytes", hamming_planes_bytes);
    m.def("hamming_prepare", [](Memory<const std::uint8_t> database, std::int64_t n, std::int64_t bits,
                                Memory<std::uint8_t> planes, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return hamming_prepare(database.data, n, bits, planes.data, context);
        });
    });
}

}  // namespace rsir::bindings
