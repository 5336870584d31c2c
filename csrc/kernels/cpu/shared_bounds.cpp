#include "kernels/cpu/shared_bounds.h"

#include <algorithm>
#include <limits>

namespace rsir {

SharedBounds::SharedBounds(std::int64_t queries, std::int64_t k, std::int64_t most)
    : queries_(static_cast<std::size_t>(queries)), k_(static_cast<std::size_t>(k)), most_(most) {
    for (Query& query : queries_) query.squared = std::numeric_limits<double>::infinity();
}

void SharedBounds::add(std::int64_t query, std::int64_t kept, const std::vector<float>& proven) {
    Query& own = queries_[static_cast<std::size_t>(query)];
    own.kept += kept;
    if (proven.empty()) return;
    const std::lock_guard<std::mutex> lock(mutexes_[static_cast<std::size_t>(query) % mutexes_.size()]);
    std::vector<float>& nearest = own.nearest;
    for (const float squared : proven) {
        if (nearest.size() == k_) {
            if (squared >= nearest.front()) continue;
            std::pop_heap(nearest.begin(), nearest.end());
            nearest.back() = squared;
        } else {
            nearest.push_back(squared);
        }
        std::push_heap(nearest.begin(), nearest.end());
    }
    if (nearest.size() == k_) own.squared = static_cast<double>(nearest.front());
}

}  // namespace rsir
