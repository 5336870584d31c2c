#include "kernels/ranked_hits.h"

#include "bindings/cpu.h"

namespace rsir::bindings {

void register_ranked_hits(py::module_& m) {
    using Numbers = Memory<const std::int64_t>;
    using Out = Memory<std::int64_t>;
    m.def("first_disorder",
          [](Numbers ranks, Numbers offsets, std::int64_t q) { return first_disorder({ranks.data, offsets.data, q}); });
    m.def("sum_precisions",
          [](Numbers ranks, Numbers offsets, std::int64_t q, std::int64_t most, Memory<double> sums, int threads) {
              return run(threads, "scalar", [&](const Context& context) {
                  return sum_precisions({ranks.data, offsets.data, q}, most, sums.data, context);
              });
          });
    m.def("sum_within",
          [](Numbers ranks, Numbers offsets, std::int64_t q, Numbers limits, Out found, Out sums, int threads) {
              return run(threads, "scalar", [&](const Context& context) {
                  return sum_within({ranks.data, offsets.data, q}, limits.data, found.data, sums.data, context);
              });
          });
    m.def("count_within",
          [](Numbers ranks, Numbers offsets, std::int64_t q, Numbers cutoffs, std::int64_t p, Out counts, int threads) {
              return run(threads, "scalar", [&](const Context& context) {
                  return count_within({ranks.data, offsets.data, q}, cutoffs.data, p, counts.data, context);
              });
          });
    m.def("drop_own", [](Numbers ranks, Numbers offsets, std::int64_t q, Numbers own, Out counts, Out left) {
        const py::gil_scoped_release released;
        drop_own({ranks.data, offsets.data, q}, own.data, counts.data, left.data);
    });
}

}  // namespace rsir::bindings
