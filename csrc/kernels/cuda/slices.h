// Takes pieces of memory from a block, one after the other, 256-byte aligned; from nullptr it only adds up.
#pragma once

#include <cstdint>

namespace rsir::cuda {

class Slices {
  public:
    explicit Slices(void* memory) : memory_(reinterpret_cast<std::uintptr_t>(memory)) {}

    template <class T>
    T* take(std::int64_t count) {
        const std::uintptr_t piece = memory_ + static_cast<std::uintptr_t>(used_);
        used_ += (count * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
        return reinterpret_cast<T*>(piece);
    }
    std::int64_t used() const { return used_; }

  private:
    std::uintptr_t memory_;
    std::int64_t used_ = 0;
};

}  // namespace rsir::cuda
