#include "kernels/cpu/self_search.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "kernels/cpu/self_scan.h"

namespace rsir {
namespace {

// Of codes of a row: less are sooner multiplied twice than both rows' lists of candidates fetched for one product. So
// many, and more for each neighbour, up to a limit. Of int8 codes more, as they leave more candidates; and more where a
// product costs less than those that this was measured with.
struct LeastBytes {
    std::int64_t any, neighbour, limit;
    std::int64_t of(std::int64_t k, std::int64_t faster) const {
        return std::min(limit, faster * (any + neighbour * k));
    }
};
constexpr LeastBytes kLeastBytes8{256, 32, 4096}, kLeastBytes16{512, 16, 2048};
constexpr std::int64_t kLeastRows = 2 * SelfScan::kUnit;
// Rows of a super-block, and more for each neighbour: with fewer, what each row takes to be searched once more is
// dearer than products taken once are worth.
constexpr std::int64_t kLeastOwn = 256, kOwnNeighbour = 16;
constexpr std::int64_t kMutualBytes = std::int64_t{1} << 14;  // of a row: less are sooner measured twice

class SelfSearch {
  public:
    SelfSearch(Decision::Operands& operands, const SelfPlan& plan, std::int64_t memory, float* distances,
               std::int64_t* ids, SearchCounts& counts)
        : operands_(operands),
          wild_(operands.wild),
          n_(operands.blocks[0].sidecar->n),
          plan_(plan),
          distances_(distances),
          ids_(ids),
          counts_(counts),
          scan_(operands.queries, operands.blocks[0], operands.k, operands.certify, operands_.context, memory),
          overflowed_(static_cast<std::size_t>(n_)) {
        operands_.is_mutual = operands.blocks[0].rows.row_bytes() >= kMutualBytes;
    }

    Status run(std::vector<std::int64_t>& undecided) {
        SelfRows own, beside;
        Status status = Status::ok;
        for (std::int64_t first = 0; first < n_ && status == Status::ok; first = own.end) {
            status = begin(own, first, std::min(n_, first + plan_.own));
            if (status == Status::ok) status = scan_.scan(own, own, [&] { return again(own); });
            for (std::int64_t next = own.end; next < n_ && status == Status::ok; next = beside.end) {
                if (poll_.stop()) return Status::interrupted;
                status = begin(beside, next, std::min(n_, next + plan_.beside));
                if (status != Status::ok) break;
                status = scan_.scan(own, beside, [&] {
                    const Status flushed = again(own);
                    return flushed == Status::ok ? again(beside) : flushed;
                });
                if (status == Status::ok) status = put_down(beside);
            }
            if (status == Status::ok) status = decide(own, wild_);
        }
        for (std::int64_t row = 0; row < n_; ++row) {
            if (overflowed_[static_cast<std::size_t>(row)] != 0) undecided.push_back(row);
        }
        return status;
    }

  private:
    Status begin(SelfRows& some, std::int64_t first, std::int64_t end) {
        return scan_.begin(some, first, end, [this](std::int64_t row, CandidateSearch& search) {
            if (overflowed_[static_cast<std::size_t>(row)] != 0) search.overflow();
            if (!operands_.is_continued) return;
            const std::int64_t last = (row + 1) * operands_.k - 1;
            if (ids_[last] >= 0 && std::isfinite(distances_[last])) {
                search.lower(static_cast<double>(distances_[last]));
            }
        });
    }

    // Decides the candidates that there are into the answer, which is not the last.
    Status put_down(SelfRows& some) {
        if (!operands_.is_continued) {
            std::fill_n(ids_, n_ * operands_.k, -1);
            operands_.is_continued = true;
        }
        return decide(some, {});
    }

    // Makes room for the candidates that come.
    Status again(SelfRows& some) {
        const Status status = put_down(some);
        return status == Status::ok ? begin(some, some.first, some.end) : status;
    }

    // wild: rows without a bound; each query measures them once.
    Status decide(SelfRows& some, const std::vector<std::uint32_t>& wild) {
        Status status = scan_.settle(some);
        if (status != Status::ok) return status;
        operands_.wild = wild;
        std::vector<std::int64_t> left;
        status = decide_searches(operands_, {0}, some.first, some.count(), some.searches.data(), distances_, ids_, left,
                                 counts_);
        for (const std::int64_t row : left) overflowed_[static_cast<std::size_t>(row)] = 1;
        return status;
    }

    Decision::Operands& operands_;
    const std::vector<std::uint32_t> wild_;
    const std::int64_t n_;
    const SelfPlan plan_;
    float* const distances_;
    std::int64_t* const ids_;
    SearchCounts& counts_;
    SelfScan scan_;
    std::vector<std::uint8_t> overflowed_;  // rows that have
    std::atomic<bool> stopped_{false};
    Poll poll_{operands_.context, stopped_, true};  // what is begun anew asks too seldom, where it is short
};

}  // namespace

std::int64_t least_own_memory(std::int64_t k) { return kLeastRows * self_row_bytes(0, k) / 3 * 4; }

SelfPlan plan_self_search(const Rows& queries, std::int64_t q, const SearchedBlocks& blocks, std::int64_t k,
                          const Certify& certify, std::int64_t memory) {
    constexpr SelfPlan kOrdinary{0, 0};
    if (blocks.count != 1 || blocks[0].sidecar == nullptr || !blocks[0].allowed.all()) return kOrdinary;
    const Rows& rows = blocks[0].rows;
    const Sidecar& sidecar = *blocks[0].sidecar;
    const bool is8 = sidecar.precision == Precision::int8;
    const std::int64_t row_codes = sidecar.steps() * 4;
    const bool is_own = q == sidecar.n && queries.data == rows.data && queries.element == rows.element &&
                        queries.d == rows.d && queries.normalize == Normalize::none &&
                        rows.normalize == Normalize::none;
    const Codes& codes = is8 ? certify.int8 : certify.int16;
    if (!is_own || codes.sums == nullptr || q < kLeastRows ||
        row_codes < (is8 ? kLeastBytes8 : kLeastBytes16).of(k, codes.times_faster())) {
        return kOrdinary;
    }
    const std::int64_t live = memory / 4 * 3 / self_row_bytes(sidecar.steps(), k);
    if (q <= live) return {q, 0};
    const std::int64_t beside = std::max<std::int64_t>(1, live / 4 / SelfScan::kUnit) * SelfScan::kUnit,
                       own = (live - beside) / SelfScan::kUnit * SelfScan::kUnit;
    return own >= kLeastOwn + kOwnNeighbour * k ? SelfPlan{own, beside} : kOrdinary;
}

Status self_search(Decision::Operands operands, const SelfPlan& plan, std::int64_t memory, float* distances,
                   std::int64_t* ids, std::vector<std::int64_t>& undecided, SearchCounts& counts) {
    return SelfSearch(operands, plan, memory, distances, ids, counts).run(undecided);
}

}  // namespace rsir
