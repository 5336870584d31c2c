#include "kernels/allowed.h"

#include "bindings/cpu.h"
#include "kernels/cpu/allowed_panels.h"

namespace rsir::bindings {

void register_allowed(py::module_& m) {
    m.def("count_allowed", [](Memory<const std::uint8_t> bits, std::int64_t first, std::int64_t n) {
        return Allowed{bits.data, first, n}.count(0, n);
    });
    m.def("count_allowed_panels", [](Memory<const std::uint8_t> bits, std::int64_t first, std::int64_t n) {
        return AllowedPanels::count({bits.data, first, n});
    });
}

}  // namespace rsir::bindings
