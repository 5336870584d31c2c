// From candidates to answers: the canonical distance decides.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/searched_blocks.h"
#include "kernels/cpu/topk.h"
#include "kernels/euclidean_topk.h"

namespace rsir {

// Decides the searches of several queries: canonical distances of the nearest estimates first, then of whatever the
// bound that follows from them does not exclude.
//
// The candidates of one query are scattered over the database, so that each costs a reading of memory. Those of many
// queries cover it: they are measured chunk of rows by chunk of rows, each read from memory once for all of them.
class Decision {
  public:
    // What a search was asked.
    struct Operands {
        const Rows& queries;
        SearchedBlocks blocks;
        std::vector<std::uint32_t> wild;  // allowed rows without a bound, increasing, as rows of the whole database
        bool is_mutual;                   // query j is row j, and d(x, y) has the bits of d(y, x)
        bool is_continued;                // distances and ids hold what was found among other rows, then the id -1
        std::int64_t k;
        const Certify& certify;
        const CanonicalDistance& canonical;
        Context context;
    };

    // searches [count, parts]: of queries first, first + 1, ... parts: the block of each, not decreasing.
    Decision(const Operands& operands, const std::vector<std::int64_t>& parts, std::int64_t first,
             CandidateSearch* searches, std::int64_t count);

    // Writes row first + j of distances and ids [.., k] for every query of which no search has overflowed, and adds to
    // `decided` how many canonical distances it took.
    Status run(float* distances, std::int64_t* ids, std::int64_t& decided);

  private:
    struct Query {
        CandidateSearch* searches;
        bool overflowed;
        float nearest = 0;
        std::vector<std::uint32_t> rows;  // to be measured, in increasing order
        std::vector<std::uint32_t> lent;  // rows that measure this one for themselves
        std::vector<Key> keys;
        std::size_t measured = 0;  // where those of `rows` begin
    };
    // Rows of one block that are measured together.
    struct Chunk {
        std::int64_t block, begin, end;
    };

    Status each_query(const std::function<void(Query&, std::int64_t)>& body);
    std::vector<Chunk> chunks(std::int64_t rows) const;
    Status borrow();
    Status collect();
    Status measure(std::int64_t& decided);
    void measure(const Chunk& chunk, std::int64_t first, std::int64_t last, Poll& poll);
    float estimate(const CandidateSearch& search, std::int32_t i) const;
    template <class Body>
    void for_candidates(const Query& query, const Body& body) const;
    void take_nearest(Query& query) const;
    void take_rest(Query& query) const;
    void keep_nearest(Query& query) const;

    const Operands& operands_;
    const std::vector<std::int64_t>& parts_;
    const std::int64_t first_;
    std::vector<Query> block_;
};

// Decides the searches [count, parts] of queries first, ..., so many at a time that what is measured has bounded
// memory. Queries of which one has overflowed are appended to `undecided`; their rows of distances and ids stay as they
// are.
Status decide_searches(const Decision::Operands& operands, const std::vector<std::int64_t>& parts, std::int64_t first,
                       std::int64_t count, CandidateSearch* searches, float* distances, std::int64_t* ids,
                       std::vector<std::int64_t>& undecided, SearchCounts& counts);

}  // namespace rsir
