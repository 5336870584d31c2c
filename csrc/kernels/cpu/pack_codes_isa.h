// What one instruction set contributes to pack_codes: whole bytes.
#pragma once

#include <cstdint>

namespace rsir {

// codes[i] takes the bits values[8 i .. 8 i + 7] > 0, for i < bytes.
struct PackBytes {
    const char* isa;
    void (*from_float)(const float* values, std::int64_t bytes, std::uint8_t* codes);
    void (*from_double)(const double* values, std::int64_t bytes, std::uint8_t* codes);
};

extern const PackBytes pack_bytes_scalar;
extern const PackBytes pack_bytes_neon;
extern const PackBytes pack_bytes_avx2;
extern const PackBytes pack_bytes_avx512;

}  // namespace rsir
