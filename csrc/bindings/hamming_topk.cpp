#include "kernels/hamming_topk.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_hamming_topk(py::module_& m) {
    m.def("hamming_topk",
          [](std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t bits,
             std::int64_t k, std::uintptr_t distances, std::uintptr_t ids, int threads, const std::string& isa) {
              return run(threads, isa, [&](const Context& context) {
                  return hamming_topk(pointer<const std::uint8_t>(queries), q, pointer<const std::uint8_t>(database), n,
                                      bits, k, pointer<std::int32_t>(distances), pointer<std::int64_t>(ids), context);
              });
          });
}

}  // namespace rsir::bindings
