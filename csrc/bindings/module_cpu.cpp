// rsir_fast._cpu: table of contents.
#include <pthread.h>
#include <pybind11/stl.h>

#include <cstdlib>

#include "bindings/cpu.h"
#include "kernels/cpu/certify.h"

namespace rsir::bindings {
namespace {

py::dict build_info() {
    py::dict info;
    info["version"] = RSIR_VERSION;
    info["compiler"] = RSIR_COMPILER;
    info["build_type"] = RSIR_BUILD_TYPE;
    info["compiled_isas"] = RSIR_COMPILED_ISAS;
    for (const Isa isa : compiled_isas()) {
        std::string text;
        for (const Need& need : isa_needs(isa)) text += (text.empty() ? "" : " ") + std::string(need.name);
        if (!text.empty()) info[("needs_" + std::string(isa_name(isa))).c_str()] = text;
    }
    return info;
}

// Without amx where the system refuses its tiles: whoever asks for it is told so, not served by avx512 quietly.
std::vector<std::string> supported_isa_names() {
    std::vector<std::string> names;
    for (const Isa isa : supported_isas()) {
#if defined(__x86_64__)
        if (isa == Isa::amx && !amx_ready()) continue;
#endif
        names.emplace_back(isa_name(isa));
    }
    return names;
}

// os.environ, which passes every change on to the process, without its price.
py::object environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) return py::none();
    return py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(value));
}

void know_main_thread() {
    const py::object main = py::module_::import("threading").attr("main_thread")();
    main_thread = main.attr("ident").cast<unsigned long>();
    pthread_atfork(nullptr, nullptr, [] { main_thread = PyThread_get_thread_ident(); });
}

}  // namespace

PYBIND11_MODULE(_cpu, m) {
    m.doc() = "CPU kernels of rsir_fast (private: use rsir_fast.ops).";
    know_main_thread();
    m.def("build_info", &build_info);
    m.def("environment", &environment);
    m.def("supported_isas", &supported_isa_names, "Instruction sets this machine runs, best first.");
    register_allowed(m);
    register_gaussian_normalize(m);
    register_hamming_topk(m);
    register_pack_codes(m);
    register_ranked_hits(m);
    register_relevant_ranks(m);
    register_sidecar(m);
    register_euclidean_topk(m);
}

}  // namespace rsir::bindings
