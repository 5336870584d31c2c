#include "kernels/euclidean_topk.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_euclidean_topk(py::module_& m) {
    m.def("euclidean_topk", [](std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n,
                               std::int64_t d, std::int64_t k, const std::string& dtype, std::uintptr_t distances,
                               std::uintptr_t ids, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                using T = typename decltype(type)::type;
                return euclidean_topk(pointer<T>(queries), q, pointer<T>(database), n, d, k, pointer<float>(distances),
                                      pointer<std::int64_t>(ids), context);
            });
        });
    });
}

}  // namespace rsir::bindings
