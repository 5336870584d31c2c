#include "kernels/pack_codes.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_pack_codes(py::module_& m) {
    m.def("pack_codes", [](std::uintptr_t values, std::int64_t n, std::int64_t b, const std::string& dtype,
                           std::uintptr_t codes, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                return pack_codes(pointer<typename decltype(type)::type>(values), n, b, pointer<std::uint8_t>(codes),
                                  context);
            });
        });
    });
}

}  // namespace rsir::bindings
