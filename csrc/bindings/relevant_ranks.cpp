#include "kernels/relevant_ranks.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_relevant_ranks(py::module_& m) {
    m.def("relevant_ranks",
          [](std::uintptr_t queries, std::int64_t q, const std::string& query_dtype, std::uintptr_t database,
             std::int64_t n, const std::string& dtype, std::int64_t d, std::uintptr_t members, std::uintptr_t first,
             std::uintptr_t offsets, std::uintptr_t self, std::uintptr_t ranks, std::uintptr_t self_ranks, int threads,
             const std::string& isa) {
              using Id = std::int64_t;
              return run(threads, isa, [&](const Context& context) {
                  return relevant_ranks(rows_from(queries, d, query_dtype), q, rows_from(database, d, dtype), n,
                                        pointer<Id>(members), pointer<Id>(first), pointer<Id>(offsets),
                                        pointer<Id>(self), pointer<Id>(ranks), pointer<Id>(self_ranks), context);
              });
          });
}

}  // namespace rsir::bindings
