// What is proven of the k-th distance of each query while several threads search the parts of a database for it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace rsir {

class SharedBounds {
  public:
    // At most `most` candidates are kept of a query.
    SharedBounds(std::int64_t queries, std::int64_t k, std::int64_t most);

    // A squared distance that the k-th canonical one is known not to exceed; infinite at first.
    double of(std::int64_t query) const { return at(query).squared.load(std::memory_order_relaxed); }

    // Whether more candidates were kept than are worth it: parts not yet searched need not be.
    bool overflowed(std::int64_t query) const { return at(query).kept.load(std::memory_order_relaxed) > most_; }

    // Takes in that a part has kept so many candidates of a query, and squared distances that so many different rows of
    // it do not exceed.
    void add(std::int64_t query, std::int64_t kept, const std::vector<float>& proven);

  private:
    struct Query {
        std::atomic<double> squared;
        std::atomic<std::int64_t> kept{0};
        std::vector<float> nearest{};  // a heap of the k smallest that were proven
    };

    const Query& at(std::int64_t query) const { return queries_[static_cast<std::size_t>(query)]; }

    std::vector<Query> queries_;
    std::array<std::mutex, 64> mutexes_;
    const std::size_t k_;
    const std::int64_t most_;
};

}  // namespace rsir
