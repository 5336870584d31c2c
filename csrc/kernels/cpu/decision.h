// From candidates to answers: the canonical distance decides.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/topk.h"

namespace rsir {

// Decides the searches of several queries: canonical distances of the nearest estimates first, then of whatever the
// bound that follows from them does not exclude.
//
// The candidates of one query are scattered over the database, so that each costs a reading of memory. Those of many
// queries cover it: they are measured chunk of rows by chunk of rows, each read from memory once for all of them.
class Decision {
  public:
    // searches: of queries first, first + 1, ... wild: rows without a bound that can be answers, increasing.
    Decision(const Rows& queries, std::int64_t first, CandidateSearch* searches, std::int64_t count,
             const Rows& database, const Sidecar& sidecar, const std::vector<std::uint32_t>& wild, std::int64_t k,
             const Certify& certify, const CanonicalDistance& canonical, const Context& context);

    // Writes row first + j of distances and ids [.., k] for every search that has not overflowed, and adds to `decided`
    // how many canonical distances it took.
    Status run(float* distances, std::int64_t* ids, std::int64_t& decided);

  private:
    struct Query {
        CandidateSearch* search;
        float nearest = 0;
        std::vector<std::uint32_t> rows;  // to be measured, in increasing order
        std::vector<Key> keys;
    };

    Status each_query(const std::function<void(Query&, std::int64_t)>& body);
    Status measure(std::int64_t& decided);
    void take_nearest(Query& query) const;
    void take_rest(Query& query) const;
    void keep_nearest(Query& query) const;

    const Rows& queries_;
    const std::int64_t first_;
    const Rows& database_;
    const Sidecar& sidecar_;
    const std::vector<std::uint32_t>& wild_;
    const std::int64_t k_;
    const Certify& certify_;
    const CanonicalDistance& canonical_;
    const Context& context_;
    std::vector<Query> block_;
};

}  // namespace rsir
