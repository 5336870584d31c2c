#include "kernels/relevant_ranks.h"

#include <memory>
#include <vector>

#include "bindings/cpu.h"

namespace rsir::bindings {
namespace {

struct RelevantRanks {
    std::shared_ptr<RankMarks> marks;
};

}  // namespace

void register_relevant_ranks(py::module_& m) {
    using Id = std::int64_t;
    // The database: a list of blocks (rows, n, dtype), n rows together. What is given for the members stays alive as
    // long as ranks are taken: the caller sees to it.
    py::class_<RelevantRanks>(m, "RelevantRanks")
        .def(py::init([](Memory<const void> queries, std::int64_t q, const std::string& query_dtype,
                         const py::list& database, std::int64_t d, std::int64_t n, Memory<const std::uint8_t> where,
                         Memory<const Id> members, Memory<const Id> first, Memory<const Id> offsets,
                         Memory<const Id> self, int threads, const std::string& isa) {
            std::vector<RowPart> parts;
            for (const py::handle& item : database) {
                const auto block = item.cast<py::tuple>();
                parts.push_back({rows_from(block[0].cast<Memory<const void>>(), d, block[2].cast<std::string>()),
                                 block[1].cast<std::int64_t>()});
            }
            auto found = std::make_unique<RelevantRanks>();
            run(threads, isa, [&](const Context& context) {
                return relevant_ranks(rows_from(queries, d, query_dtype), q, parts.data(),
                                      static_cast<std::int64_t>(parts.size()), Allowed{where.data, 0, n}, members.data,
                                      first.data, offsets.data, self.data, found->marks, context);
            });
            return found;
        }))
        .def("take", [](const RelevantRanks& found, std::int64_t begin, std::int64_t end, Memory<Id> ranks,
                        Memory<Id> self_ranks, int threads) {
            return run(threads, "scalar", [&](const Context& context) {
                return take_ranks(*found.marks, begin, end, ranks.data, self_ranks.data, context);
            });
        });
}

}  // namespace rsir::bindings
