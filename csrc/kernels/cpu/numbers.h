// Memory for numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

namespace rsir {

// Numbers aligned to a cache line, not initialised.
template <class Number>
class Numbers {
  public:
    explicit Numbers(std::int64_t count)
        : data_(static_cast<Number*>(operator new(static_cast<std::size_t>(count) * sizeof(Number), kLine))) {}
    Number* data() const { return data_.get(); }

  private:
    static constexpr std::align_val_t kLine{64};
    struct Delete {
        void operator()(Number* data) const { operator delete(data, kLine); }
    };
    std::unique_ptr<Number, Delete> data_;
};

}  // namespace rsir
