#include "kernels/hamming_topk.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_hamming_topk(py::module_& m) {
    m.attr("MAX_CODE_BITS") = kMaxCodeBits;
    // `where`: a bitmap, or 0 for all rows.
    m.def("hamming_topk",
          [](Memory<const std::uint8_t> queries, std::int64_t q, Memory<const std::uint8_t> database, std::int64_t n,
             std::int64_t bits, Memory<const std::uint8_t> where, std::int64_t k, Memory<std::int32_t> distances,
             Memory<std::int64_t> ids, int threads, const std::string& isa) {
              return run(threads, isa, [&](const Context& context) {
                  return hamming_topk(queries.data, q, database.data, n, bits, {where.data, 0, n}, k, distances.data,
                                      ids.data, context);
              });
          });
    // `rows`: the codes, or 0 where they are not kept.
    m.def("hamming_topk_prepared",
          [](Memory<const std::uint8_t> queries, std::int64_t q, Memory<const std::uint8_t> planes,
             Memory<const std::uint8_t> rows, std::int64_t n, std::int64_t bits, Memory<const std::uint8_t> where,
             std::int64_t k, Memory<std::int32_t> distances, Memory<std::int64_t> ids, int threads,
             const std::string& isa) {
              return run(threads, isa, [&](const Context& context) {
                  return hamming_topk_prepared(queries.data, q, planes.data, rows.data, n, bits, {where.data, 0, n}, k,
                                               distances.data, ids.data, context);
              });
          });
    m.def("hamming_planes_bytes", hamming_planes_bytes);
    m.def("hamming_prepare", [](Memory<const std::uint8_t> database, std::int64_t n, std::int64_t bits,
                                Memory<std::uint8_t> planes, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return hamming_prepare(database.data, n, bits, planes.data, context);
        });
    });
}

}  // namespace rsir::bindings
