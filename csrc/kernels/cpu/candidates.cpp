#include "kernels/cpu/candidates.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace rsir {
namespace {

// Beyond what is counted: what thinning writes behind the last, and a tile besides.
constexpr std::int64_t kThinned = 16, kRoom = kMaxTileRows + kThinned;
// Room beyond 2 k makes the bound fall in fewer, longer steps; of little use where k itself is large.
constexpr std::int64_t kLeastCapacity = 256, kMostSpare = 8192;
constexpr std::int64_t kMostCandidates = 1 << 16;
// The canonical (squared) distance is within 2^-23 of the true one, and below 2^-149 it is lost: how far a bound gives
// way when it passes from one to the other.
constexpr double kRounding = 1 + 0x1p-21;
constexpr double kTiny = 0x1p-140;

}  // namespace

std::int64_t candidate_room(std::int64_t k) { return std::max(kLeastCapacity, 2 * k + std::min(6 * k, kMostSpare)); }

std::int64_t most_candidates(std::int64_t rows, std::int64_t k) { return std::min(rows / 2, kMostCandidates) + 4 * k; }

CandidateSearch::CandidateSearch(const Code& query, std::int64_t k, std::int64_t rows, const Sidecar& sidecar,
                                 const Certify& certify)
    : sidecar_(&sidecar),
      certify_(&certify),
      k_(k),
      limit_(most_candidates(rows, k)),
      norm_(query.norm),
      radius_(static_cast<double>(query.radius)),
      squared_bound_(std::numeric_limits<double>::infinity()) {
    state_.slope = 2 * query.scale;
    state_.start = sidecar.precision == Precision::int8 ? -128 * query.sum : 0;
    state_.cutoff = -std::numeric_limits<float>::max();  // everything but rows with infinite excess
    if (query.wild) {
        overflow();
    } else {
        reserve(candidate_room(k), kRoom);
    }
}

void CandidateSearch::reserve(std::int64_t capacity, std::int64_t room) {
    const auto size = static_cast<std::size_t>(capacity + room);
    // Not make_unique, which would write, and so take from the system, memory that may never be used.
    std::unique_ptr<std::uint32_t[]> ids(size == 0 ? nullptr : new std::uint32_t[size]);
    std::unique_ptr<float[]> estimates(size == 0 ? nullptr : new float[size]);
    std::copy_n(ids_.get(), state_.count, ids.get());
    std::copy_n(estimates_.get(), state_.count, estimates.get());
    ids_ = std::move(ids);
    estimates_ = std::move(estimates);
    capacity_ = capacity;
    state_.ids = ids_.get();
    state_.estimates = estimates_.get();
}

void CandidateSearch::overflow() {
    overflowed_ = true;
    state_.count = 0;
    state_.reach = 0;
    state_.cutoff = std::numeric_limits<float>::infinity();
    reserve(1, kRoom);  // gives back the rest
}

// Test (3) of certify.h for a k-th true distance of at most sqrt(squared).
void CandidateSearch::set_bound(double squared) {
    if (overflowed_ || !(squared < squared_bound_)) return;  // overflowed: nothing may pass, for there is no room
    squared_bound_ = squared;
    const double near = std::sqrt(squared) + radius_, longest = static_cast<double>(sidecar_->longest);
    const double a = std::min(std::sqrt(norm_), near + static_cast<double>(sidecar_->widest));
    const double b = std::min(longest, near), g = longest <= near ? 0.0 : radius_;
    const float reach = rounded_up(2 * (a + g) * (1 + kMargin));
    const float cutoff = rounded_down(norm_ * (1 - kMargin) - (squared + 2 * b * radius_) * (1 + 0x1p-40) - 0x1p-100);
    if (!std::isfinite(reach) || !std::isfinite(cutoff)) return;
    state_.reach = reach;
    state_.cutoff = cutoff;
}

void CandidateSearch::lower(double squared) { set_bound(squared * kRounding + kTiny); }

// What the true squared distance of a row with this estimate and radius is at most: see "T comes from" in certify.h.
double CandidateSearch::proven(float estimate, float row_radius) const {
    const double radius = static_cast<double>(row_radius), longest = static_cast<double>(sidecar_->longest);
    const double squared =
        std::max(0.0, static_cast<double>(estimate) + norm_ + 6 * kMargin * norm_) / (1 - 4 * kMargin);
    const double distance = std::sqrt(squared), a = std::min(std::sqrt(norm_), distance),
                 b = std::min(longest, distance);
    return (squared + 2 * a * radius + 2 * b * radius_ + (radius + radius_) * (radius + radius_)) * kRounding + kTiny;
}

void CandidateSearch::prove(std::vector<float>& squared) const {
    for (std::int32_t i = 0; i < state_.count; ++i) {
        const double bound = proven(state_.estimates[i], sidecar_->radius[state_.ids[i]]);
        if (bound <= squared_bound_) squared.push_back(rounded_up(bound));
    }
}

void CandidateSearch::tighten() {
    if (overflowed_ || state_.count < k_) return;
    const float nearest = certify_->select(state_.estimates, state_.count, k_);
    set_bound(proven(nearest, certify_->widest(state_, nearest, sidecar_->radius)));
    thin();
    if (state_.count > limit_) return overflow();
    if (state_.count > capacity_ / 2) reserve(2 * capacity_, kRoom);
}

void CandidateSearch::settle() {
    tighten();
    if (!overflowed_) reserve(state_.count, state_.count == 0 ? 0 : kThinned);
}

}  // namespace rsir
