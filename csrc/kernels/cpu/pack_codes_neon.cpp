#include "kernels/cpu/pack_codes_isa.h"

namespace rsir {
namespace {

template <class T>
void pack_bytes(const T* values, std::int64_t bytes, std::uint8_t* codes) {
    for (std::int64_t i = 0; i < bytes; ++i) {
        unsigned byte = 0;
        for (int j = 0; j < 8; ++j) byte |= static_cast<unsigned>(values[8 * i + j] > 0) << j;
        codes[i] = static_cast<std::uint8_t>(byte);
    }
}

}  // namespace

const PackBytes pack_bytes_neon = {"neon", pack_bytes<float>, pack_bytes<double>};

}  // namespace rsir
