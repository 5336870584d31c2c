#include <cstdlib>
#include <stdexcept>

#include "check.h"
#include "kernels/cpu/isa.h"

using namespace rsir;
using namespace rsir::test;

TEST(names) {
    CHECK(supported_isas().back() == Isa::scalar);
    for (const Isa isa : supported_isas()) CHECK(isa_from_name(isa_name(isa)) == isa);
    for (const char* name : {"", "sse9", "AVX2"}) {
        bool thrown = false;
        try {
            isa_from_name(name);
        } catch (const std::invalid_argument& error) {
            thrown = std::string(error.what()).find("scalar") != std::string::npos;
        }
        CHECK(thrown);
    }
}

#if defined(__aarch64__)
TEST(aarch64_has_neon) { CHECK(supported_isas().front() == Isa::neon); }

// Whoever chose the processor knows.
TEST(dotprod) {
    if (const char* expected = std::getenv("RSIR_TEST_DOTPROD")) {
        CHECK(cpu_features().dotprod == (std::string(expected) == "1"));
    }
}
#endif
