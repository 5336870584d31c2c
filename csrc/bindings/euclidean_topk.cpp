#include "kernels/euclidean_topk.h"

#include <vector>

#include "bindings/cpu.h"

namespace rsir::bindings {
namespace {

// memory: of own rows. Returns the instruction set that ran, and the counts of candidates, decided pairs and dense
// queries.
auto search(std::int64_t memory, Memory<const void> queries, std::int64_t q, const std::string& query_dtype,
            Memory<const void> database, std::int64_t n, const std::string& dtype, std::int64_t d,
            Memory<const std::uint8_t> where, const Sidecar* sidecar, std::int64_t k, Memory<float> distances,
            Memory<std::int64_t> ids, int threads, const std::string& isa) {
    SearchCounts counts;
    const std::string ran = run(threads, isa, [&](const Context& context) {
        return euclidean_topk(rows_from(queries, d, query_dtype), q, rows_from(database, d, dtype),
                              Allowed{where.data, 0, n}, sidecar, k, distances.data, ids.data, counts, context, memory);
    });
    return py::make_tuple(ran, counts.candidates, counts.decided, counts.dense);
}

}  // namespace

void register_euclidean_topk(py::module_& m) {
    m.def("euclidean_topk", [](Memory<const void> queries, std::int64_t q, const std::string& query_dtype,
                               Memory<const void> database, std::int64_t n, const std::string& dtype, std::int64_t d,
                               Memory<const std::uint8_t> where, const Sidecar* sidecar, std::int64_t k,
                               Memory<float> distances, Memory<std::int64_t> ids, int threads, const std::string& isa) {
        return search(kOwnRowsMemory, queries, q, query_dtype, database, n, dtype, d, where, sidecar, k, distances, ids,
                      threads, isa);
    });
    m.def("euclidean_topk_within", &search);
    m.def("least_own_memory", &least_own_memory);

    // The same of a list of blocks (rows, n, dtype, sidecar or None).
    m.def("euclidean_topk_blocks",
          [](Memory<const void> queries, std::int64_t q, const std::string& query_dtype, const py::list& blocks,
             std::int64_t d, std::int64_t n, Memory<const std::uint8_t> where, std::int64_t k, Memory<float> distances,
             Memory<std::int64_t> ids, int threads, const std::string& isa) {
              std::vector<RowBlock> parts;
              for (const py::handle& item : blocks) {
                  const auto block = item.cast<py::tuple>();
                  parts.push_back({rows_from(block[0].cast<Memory<const void>>(), d, block[2].cast<std::string>()),
                                   block[1].cast<std::int64_t>(), block[3].cast<const Sidecar*>()});
              }
              SearchCounts counts;
              const std::string ran = run(threads, isa, [&](const Context& context) {
                  return euclidean_topk(rows_from(queries, d, query_dtype), q, parts.data(),
                                        static_cast<std::int64_t>(parts.size()), Allowed{where.data, 0, n}, k,
                                        distances.data, ids.data, counts, context);
              });
              return py::make_tuple(ran, counts.candidates, counts.decided, counts.dense);
          });
}

}  // namespace rsir::bindings
