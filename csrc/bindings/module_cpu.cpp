// rsir_fast._cpu: table of contents.
#include <pybind11/stl.h>

#include "bindings/cpu.h"

namespace rsir::bindings {
namespace {

py::dict build_info() {
    py::dict info;
    info["version"] = RSIR_VERSION;
    info["compiler"] = RSIR_COMPILER;
    info["build_type"] = RSIR_BUILD_TYPE;
    info["compiled_isas"] = RSIR_COMPILED_ISAS;
    return info;
}

std::vector<std::string> supported_isa_names() {
    std::vector<std::string> names;
    for (const Isa isa : supported_isas()) names.emplace_back(isa_name(isa));
    return names;
}

}  // namespace

PYBIND11_MODULE(_cpu, m) {
    m.doc() = "CPU kernels of rsir_fast (private: use rsir_fast.ops).";
    m.def("build_info", &build_info);
    m.def("supported_isas", &supported_isa_names, "Instruction sets this machine runs, best first.");
    register_gaussian_normalize(m);
    register_euclidean_topk(m);
    register_hamming_topk(m);
    register_pack_codes(m);
    register_relevant_ranks(m);
}

}  // namespace rsir::bindings
