#include "kernels/euclidean_topk.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_euclidean_topk(py::module_& m) {
    py::class_<Sidecar>(m, "Sidecar")
        .def(py::init([](Memory<const void> rows, std::int64_t n, std::int64_t d, const std::string& dtype,
                         const std::string& precision, std::int64_t k, int threads, const std::string& isa) {
            const Precision chosen = precision == "int8"    ? Precision::int8
                                     : precision == "int16" ? Precision::int16
                                                            : Precision::automatic;
            auto sidecar = std::make_unique<Sidecar>();
            run(threads, isa, [&](const Context& context) {
                return build_sidecar(rows_from(rows, d, dtype), n, chosen, k, *sidecar, context);
            });
            return sidecar;
        }))
        .def_property_readonly("nbytes", &Sidecar::bytes)
        .def_property_readonly(
            "precision", [](const Sidecar& sidecar) { return sidecar.precision == Precision::int8 ? "int8" : "int16"; })
        .def_property_readonly("wild", [](const Sidecar& sidecar) { return sidecar.wild.size(); })
        .def_property_readonly("centred", [](const Sidecar& sidecar) { return !sidecar.mean.empty(); });

    // Returns the instruction set that ran, and the counts of candidates, decided pairs and dense queries.
    m.def("euclidean_topk", [](Memory<const void> queries, std::int64_t q, const std::string& query_dtype,
                               Memory<const void> database, std::int64_t n, const std::string& dtype, std::int64_t d,
                               Memory<const std::uint8_t> where, const Sidecar* sidecar, std::int64_t k,
                               Memory<float> distances, Memory<std::int64_t> ids, int threads, const std::string& isa) {
        SearchCounts counts;
        const std::string ran = run(threads, isa, [&](const Context& context) {
            return euclidean_topk(rows_from(queries, d, query_dtype), q, rows_from(database, d, dtype),
                                  Allowed{where.data, 0, n}, sidecar, k, distances.data, ids.data, counts, context);
        });
        return py::make_tuple(ran, counts.candidates, counts.decided, counts.dense);
    });
}

}  // namespace rsir::bindings
