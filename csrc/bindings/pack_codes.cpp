#include "kernels/pack_codes.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_pack_codes(py::module_& m) {
    m.def("pack_codes", [](Memory<const void> values, std::int64_t n, std::int64_t b, const std::string& dtype,
                           Memory<std::uint8_t> codes, int threads, const std::string& isa) {
        return run(threads, isa, [&](const Context& context) {
            return by_float_type(dtype, [&](auto type) {
                return pack_codes(static_cast<const typename decltype(type)::type*>(values.data), n, b, codes.data,
                                  context);
            });
        });
    });
}

}  // namespace rsir::bindings
