#include "kernels/relevant_ranks.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_relevant_ranks(py::module_& m) {
    m.def("relevant_ranks", [](std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n,
                               std::int64_t d, const std::string& dtype, std::uintptr_t members, std::uintptr_t first,
                               std::uintptr_t offsets, std::uintptr_t self, std::uintptr_t ranks,
                               std::uintptr_t self_ranks, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                using T = typename decltype(type)::type;
                using Id = std::int64_t;
                return relevant_ranks(pointer<T>(queries), q, pointer<T>(database), n, d, pointer<Id>(members),
                                      pointer<Id>(first), pointer<Id>(offsets), pointer<Id>(self), pointer<Id>(ranks),
                                      pointer<Id>(self_ranks), context);
            });
        });
    });
}

}  // namespace rsir::bindings
