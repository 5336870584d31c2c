#include "kernels/relevant_ranks.h"

#include <vector>

#include "bindings/cpu.h"

namespace rsir::bindings {
void register_relevant_ranks(py::module_& m) {
    using Id = std::int64_t;
    // The database: a list of blocks (rows, n, dtype), n rows together.
    m.def("relevant_ranks", [](Memory<const void> queries, std::int64_t q, const std::string& query_dtype,
                               const py::list& database, std::int64_t d, std::int64_t n,
                               Memory<const std::uint8_t> where, Memory<const Id> members, Memory<const Id> first,
                               Memory<const Id> offsets, Memory<const Id> self, Memory<Id> ranks, Memory<Id> self_ranks,
                               int threads, const std::string& isa) {
        std::vector<RowPart> parts;
        for (const py::handle& item : database) {
            const auto block = item.cast<py::tuple>();
            parts.push_back({rows_from(block[0].cast<Memory<const void>>(), d, block[2].cast<std::string>()),
                             block[1].cast<std::int64_t>()});
        }
        return run(threads, isa, [&](const Context& context) {
            return relevant_ranks(rows_from(queries, d, query_dtype), q, parts.data(),
                                  static_cast<std::int64_t>(parts.size()), Allowed{where.data, 0, n}, members.data,
                                  first.data, offsets.data, self.data, ranks.data, self_ranks.data, context);
        });
    });
}

}  // namespace rsir::bindings
