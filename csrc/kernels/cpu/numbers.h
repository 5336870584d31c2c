// Memory for numbers.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <memory>
#include <new>

namespace rsir {

// Numbers aligned to a cache line, not initialised. Where there are millions they are given large pages as they are
// first touched: a small one costs as much as hundreds of numbers.
template <class Number>
class Numbers {
  public:
    explicit Numbers(std::int64_t count)
        : data_(allocate(static_cast<std::size_t>(count) * sizeof(Number)),
                Delete{alignment(static_cast<std::size_t>(count) * sizeof(Number))}) {}
    Number* data() const { return data_.get(); }

  private:
    static constexpr std::align_val_t kLine{64}, kPage{std::size_t{1} << 21};
    static std::align_val_t alignment(std::size_t bytes) {
        return bytes < 2 * static_cast<std::size_t>(kPage) ? kLine : kPage;
    }
    static Number* allocate(std::size_t bytes) {
        void* memory = operator new(bytes, alignment(bytes));
#if defined(MADV_HUGEPAGE)
        if (alignment(bytes) == kPage) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
        return static_cast<Number*>(memory);
    }
    struct Delete {
        std::align_val_t alignment;
        void operator()(Number* data) const { operator delete(data, alignment); }
    };
    std::unique_ptr<Number, Delete> data_;
};

}  // namespace rsir
