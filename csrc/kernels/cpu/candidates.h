// The candidates of one query: collected by tiles, thinned by proven bounds.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cpu/quantizer.h"
#include "kernels/sidecar.h"

namespace rsir {

// Candidates that a search has room for at first, 8 bytes each.
std::int64_t candidate_room(std::int64_t k);

// Candidates of one query among so many rows beyond which they are no longer worth it.
std::int64_t most_candidates(std::int64_t rows, std::int64_t k);

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
        if (is_full()) tighten();
    }

    bool is_full() const { return state_.count >= capacity_; }

    // Candidates that there is room for.
    std::int64_t room() const { return capacity_; }

    // Lowers the bound to what the candidates' own estimates prove, and drops those beyond it.
    void tighten();

    // Tightens, and gives back the room that the candidates left do not need: nothing is appended from now on.
    void settle();

    // States that the k-th canonical distance is at most `squared`.
    void lower(double squared);

    // States that the k-th true distance is at most sqrt(squared): what `prove` says of k different rows.
    void set_bound(double squared);

    // Appends, for every candidate that may lower the bound of the k-th distance, what its true squared distance does
    // not exceed, widened so that a bound formed from it loses no neighbour to the rounding of canonical distances.
    void prove(std::vector<float>& squared) const;

    // Drops the candidates beyond the present bound.
    void thin() { certify_->filter(state_, sidecar_->radius); }

    // |query|^2, to compare estimates of searches of several sidecars: beside it they are estimates of the distance.
    double norm() const { return norm_; }

    // Too many candidates, or a query that the bounds do not cover: the dense pass must answer it.
    bool overflowed() const { return overflowed_; }
    void overflow();

  private:
    void reserve(std::int64_t capacity, std::int64_t room);
    double proven(float estimate, float radius) const;

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
