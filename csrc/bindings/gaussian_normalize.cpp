#include "kernels/gaussian_normalize.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_gaussian_normalize(py::module_& m) {
    m.def("gaussian_normalize", [](std::uintptr_t features, std::int64_t n, std::int64_t d, const std::string& dtype,
                                   std::uintptr_t out, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                return gaussian_normalize(pointer<typename decltype(type)::type>(features), n, d, pointer<float>(out),
                                          context);
            });
        });
    });
    m.def("gaussian_statistics", [](std::uintptr_t features, std::int64_t n, std::int64_t d, const std::string& dtype,
                                    std::uintptr_t mu, std::uintptr_t sigma, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                return gaussian_statistics(pointer<typename decltype(type)::type>(features), n, d, pointer<double>(mu),
                                           pointer<double>(sigma), context);
            });
        });
    });
    m.def("gaussian_apply", [](std::uintptr_t features, std::int64_t n, std::int64_t d, const std::string& dtype,
                               std::uintptr_t mu, std::uintptr_t sigma, std::uintptr_t out, int threads,
                               const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                return gaussian_apply(pointer<typename decltype(type)::type>(features), n, d, pointer<const double>(mu),
                                      pointer<const double>(sigma), pointer<float>(out), context);
            });
        });
    });
}

}  // namespace rsir::bindings
