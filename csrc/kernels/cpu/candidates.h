// The candidates of one query: collected by tiles, thinned by proven bounds.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/cpu/quantizer.h"
#include "kernels/sidecar.h"

namespace rsir {

// Candidates that a search has room for at first, 8 bytes each.
std::int64_t candidate_room(std::int64_t k);

// Collects the rows of one database range for one query, and lowers the bound of its k-th distance as they come.
class CandidateSearch {
  public:
    CandidateSearch() = default;
    // Of `rows` of the database, which alone are appended: 1 <= k <= rows.
    CandidateSearch(const Code& query, std::int64_t k, std::int64_t rows, const Sidecar& sidecar,
                    const Certify& certify);

    // What tiles append to.
    Candidates& state() { return state_; }
    const Candidates& state() const { return state_; }

    // To be called after every tile: keeps room for the next.
    void make_room() {
        if (state_.count >= capacity_) tighten();
    }

    // Lowers the bound to what the candidates' own estimates prove, and drops those beyond it.
    void tighten();

    // Tightens, and gives back the room that the candidates left do not need: nothing is appended from now on.
    void settle();

    // States that the k-th canonical distance is at most `squared`.
    void lower(double squared);

    // Drops the candidates beyond the present bound.
    void thin() { certify_->filter(state_, sidecar_->radius); }

    // Takes over the candidates that another range of the database gave for the same query.
    void merge(CandidateSearch& other);

    // Too many candidates, or a query that the bounds do not cover: the dense pass must answer it.
    bool overflowed() const { return overflowed_; }

  private:
    void reserve(std::int64_t capacity);
    void overflow();
    void set_bound(double squared);

    const Sidecar* sidecar_ = nullptr;
    const Certify* certify_ = nullptr;
    Candidates state_;
    std::int64_t k_ = 0, capacity_ = 0, limit_ = 0;
    double norm_ = 0, radius_ = 0, squared_bound_ = 0;
    bool overflowed_ = false;
    std::unique_ptr<std::uint32_t[]> ids_;
    std::unique_ptr<float[]> estimates_;
};

}  // namespace rsir
