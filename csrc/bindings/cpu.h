// Runs a CPU kernel from Python: GIL released, Ctrl-C honoured, instruction set chosen by name.
#pragma once

#include <atomic>
#include <exception>
#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/memory.h"
#include "kernels/context.h"
#include "kernels/cpu/isa.h"
#include "kernels/rows.h"

namespace rsir::bindings {

inline bool python_signal_pending() {
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
}

// As `threading` names it; set when the module is loaded, and in a forked child, where the thread that forked is the
// main one.
inline std::atomic<unsigned long> main_thread;

// Signals are for the main thread. Another one would ask in vain, and at the exit of the interpreter, which ends every
// other thread that takes the GIL, it would be ended within the kernel.
inline bool is_main_thread() { return main_thread == PyThread_get_thread_ident(); }

// Returns the name of the instruction set that ran, as told by its own code; "portable" where an op has none.
template <class Kernel>
std::string run(int threads, const std::string& isa, const Kernel& kernel) {
    const char* ran = "portable";
    const Context context{threads, isa_from_name(isa), is_main_thread() ? python_signal_pending : nullptr, &ran};
    Status status{};
    std::exception_ptr error;
    PyThreadState* const state = PyEval_SaveThread();
    try {
        status = kernel(context);
    } catch (...) {
        error = std::current_exception();
    }
    // Ends this thread by unwinding if the interpreter is at its end: never in a destructor, as gil_scoped_release
    // would.
    PyEval_RestoreThread(state);
    if (error) std::rethrow_exception(error);
    if (status == Status::interrupted) throw py::error_already_set();
    return ran;
}

template <class T>
struct Type {
    using type = T;
};

// Calls `kernel` with the Type that the NumPy type code names.
template <class Kernel>
Status by_float_type(const std::string& dtype, const Kernel& kernel) {
    if (dtype == "f4") return kernel(Type<float>());
    if (dtype == "f8") return kernel(Type<double>());
    throw std::invalid_argument("expected dtype 'f4' or 'f8', got '" + dtype + "'");
}

// A row-major matrix of the element type that the NumPy type code names; "bf2": bfloat16. " row" behind it: rows are
// Gaussian-normalised as they are read.
inline Rows rows_from(Memory<const void> memory, std::int64_t d, const std::string& dtype) {
    const std::string name = dtype.substr(0, dtype.find(' '));
    const Element element = name == "f4"   ? Element::float32
                            : name == "f8" ? Element::float64
                            : name == "f2" ? Element::float16
                            : name == "bf2"
                                ? Element::bfloat16
                                : throw std::invalid_argument("expected dtype f2, bf2, f4 or f8, got '" + dtype + "'");
    return {memory.data, element, d, name == dtype ? Normalize::none : Normalize::row};
}

void register_allowed(py::module_& m);
void register_gaussian_normalize(py::module_& m);
void register_euclidean_topk(py::module_& m);
void register_hamming_topk(py::module_& m);
void register_pack_codes(py::module_& m);
void register_ranked_hits(py::module_& m);
void register_relevant_ranks(py::module_& m);
void register_sidecar(py::module_& m);

}  // namespace rsir::bindings
