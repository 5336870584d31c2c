// From candidates to answers: the canonical distance decides.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/topk.h"

namespace rsir {

// Decides the searches of one block of queries: canonical distances of the nearest estimates first, then of whatever
// the bound that follows from them does not exclude.
class Decision {
  public:
    Decision(const Rows& queries, std::int64_t first, std::vector<CandidateSearch*> searches, const Rows& database,
             const Sidecar& sidecar, std::int64_t k, const Certify& certify, const CanonicalDistance& canonical);

    // Writes row first + j of distances and ids [.., k] for every search that has not overflowed; returns how many
    // canonical distances it took.
    std::int64_t run(float* distances, std::int64_t* ids, Poll& poll);

  private:
    struct Query {
        CandidateSearch* search;
        float nearest = 0;
        std::vector<std::uint32_t> rows;  // to be measured, in increasing order
        std::vector<Key> keys;
    };

    void measure(Poll& poll);
    void keep_nearest(Query& query) const;
    void store(Query& query, float* distances, std::int64_t* ids) const;

    const Rows& queries_;
    const std::int64_t first_;
    const Rows& database_;
    const Sidecar& sidecar_;
    const std::int64_t k_;
    const Certify& certify_;
    const CanonicalDistance& canonical_;
    std::vector<Query> block_;
    std::int64_t measured_ = 0;
};

}  // namespace rsir
