#include "kernels/sidecar.h"

#include <cstring>

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_sidecar(py::module_& m) {
    py::class_<Sidecar>(m, "Sidecar", py::buffer_protocol())
        .def(py::init([](Memory<const void> rows, std::int64_t n, std::int64_t d, const std::string& dtype,
                         const std::string& precision, std::int64_t k, bool is_normalized, int threads,
                         const std::string& isa) {
            const Precision chosen = precision == "int8"    ? Precision::int8
                                     : precision == "int16" ? Precision::int16
                                                            : Precision::automatic;
            const Normalize normalize = is_normalized ? Normalize::row : Normalize::none;
            auto sidecar = std::make_unique<Sidecar>();
            run(threads, isa, [&](const Context& context) {
                return build_sidecar(rows_from(rows, d, dtype), n, chosen, k, *sidecar, context, normalize);
            });
            return sidecar;
        }))
        // The block is read where it lies, and kept alive.
        .def_static(
            "read",
            [](const py::buffer& block) {
                const py::buffer_info info = block.request();
                return read_sidecar(static_cast<const std::uint8_t*>(info.ptr), info.size * info.itemsize);
            },
            py::keep_alive<0, 1>())
        .def_buffer([](const Sidecar& sidecar) {
            return py::buffer_info(reinterpret_cast<const std::uint8_t*>(sidecar.header), sidecar.bytes(), true);
        })
        // Of the matrix; only in a block that was made here.
        .def("mark",
             [](Sidecar& sidecar, Memory<const std::uint8_t> digest) {
                 auto* header = reinterpret_cast<SidecarHeader*>(sidecar.memory.get());
                 if (header == nullptr) throw std::invalid_argument("sidecar: expected one made in memory");
                 std::memcpy(header->digest, digest.data, sizeof header->digest);
             })
        .def_property_readonly("digest",
                               [](const Sidecar& sidecar) {
                                   const auto* digest = reinterpret_cast<const char*>(sidecar.header->digest);
                                   return py::bytes(digest, sizeof sidecar.header->digest);
                               })
        .def_property_readonly("nbytes", &Sidecar::bytes)
        .def_property_readonly("shape", [](const Sidecar& sidecar) { return py::make_tuple(sidecar.n, sidecar.d); })
        .def_property_readonly(
            "precision", [](const Sidecar& sidecar) { return sidecar.precision == Precision::int8 ? "int8" : "int16"; })
        .def_property_readonly(
            "normalize",
            [](const Sidecar& sidecar) { return sidecar.header->normalize == Normalize::row ? "row" : "none"; })
        .def_property_readonly("wild", [](const Sidecar& sidecar) { return sidecar.wild_count; })
        .def_property_readonly("centred", [](const Sidecar& sidecar) { return sidecar.mean != nullptr; });
}

}  // namespace rsir::bindings
