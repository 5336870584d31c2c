#include "kernels/relevant_ranks.h"

#include "bindings/cpu.h"

namespace rsir::bindings {
void register_relevant_ranks(py::module_& m) {
    using Id = std::int64_t;
    m.def("relevant_ranks",
          [](Memory<const void> queries, std::int64_t q, const std::string& query_dtype, Memory<const void> database,
             std::int64_t n, const std::string& dtype, std::int64_t d, Memory<const std::uint8_t> where,
             Memory<const Id> members, Memory<const Id> first, Memory<const Id> offsets, Memory<const Id> self,
             Memory<Id> ranks, Memory<Id> self_ranks, int threads, const std::string& isa) {
              return run(threads, isa, [&](const Context& context) {
                  return relevant_ranks(rows_from(queries, d, query_dtype), q, rows_from(database, d, dtype),
                                        Allowed{where.data, 0, n}, members.data, first.data, offsets.data, self.data,
                                        ranks.data, self_ranks.data, context);
              });
          });
}

}  // namespace rsir::bindings
