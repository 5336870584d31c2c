#include "kernels/gaussian_normalize.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_gaussian_normalize(py::module_& m) {
    m.def("gaussian_normalize", [](Memory<const void> features, std::int64_t n, std::int64_t d,
                                   const std::string& dtype, Memory<float> out, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                return gaussian_normalize(static_cast<const typename decltype(type)::type*>(features.data), n, d,
                                          out.data, context);
            });
        });
    });
    m.def("gaussian_statistics",
          [](Memory<const void> features, std::int64_t n, std::int64_t d, const std::string& dtype, Memory<double> mu,
             Memory<double> sigma, int threads, const std::string& isa) {
              return run(threads, isa, [&](const Context& context) {
                  return by_float_type(dtype, [&](auto type) {
                      return gaussian_statistics(static_cast<const typename decltype(type)::type*>(features.data), n, d,
                                                 mu.data, sigma.data, context);
                  });
              });
          });
    m.def("gaussian_apply", [](Memory<const void> features, std::int64_t n, std::int64_t d, const std::string& dtype,
                               Memory<const double> mu, Memory<const double> sigma, Memory<float> out, int threads,
                               const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                return gaussian_apply(static_cast<const typename decltype(type)::type*>(features.data), n, d, mu.data,
                                      sigma.data, out.data, context);
            });
        });
    });
}

}  // namespace rsir::bindings
