#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "kernels/cpu/certify.h"
#include "kernels/cpu/immintrin_avx512.h"

namespace rsir {
namespace {

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/certify_avx512.h"
#include "kernels/cpu/certify_common.h"
#include "kernels/cpu/certify_quantize.h"
#include "kernels/cpu/certify_tiles.h"

// Linux saves 8 KiB more for a thread that uses tiles, and lets a process do so that has asked. It refuses where the
// stack for signals of any thread is too small for them.
bool is_permitted() {
#if defined(__linux__)
    constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
    return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
    return false;
#endif
}

}  // namespace

bool amx_ready() {
    static int known = 0;  // no lock, which a fork could catch: two threads may ask, and hear the same
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (answer == 0) {
        answer = is_permitted() && multiplies() ? 1 : -1;
        __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
    }
    return answer > 0;
}

const Certify certify_amx = {"amx",  kInt8,  kInt16, centre,    quantize8, quantize16,
                             select, widest, filter, test_rows, test_pairs};

}  // namespace rsir
