// The tile instructions of AMX (Sapphire Rapids and later), by name. They need no permission of the compiler, but one
// of the system: certify_amx.cpp. Included into an anonymous namespace.
//
// Eight tiles of 16 rows of 64 bytes. A dot product adds to each of 16 x 16 int32 numbers of C, modulo 2^32, the sum of
// 64 products: of a row of A, 64 bytes, and a column of B, which holds four bytes in each of its 16 rows.

struct Tiles {
    // Makes all tiles 0. config: 64 bytes.
    static inline void configure(const void* config) { asm volatile("ldtilecfg (%0)" ::"r"(config) : "memory"); }
    // Tiles become unusable, and nothing has to be saved for them when threads change.
    static inline void release() { asm volatile("tilerelease"); }

    template <int T>
    static inline void zero() {
        asm volatile("tilezero %%tmm%c0" ::"i"(T));
    }
    // Rows `stride` bytes apart.
    template <int T>
    static inline void load(const void* from, std::int64_t stride) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(T) : "memory");
    }
    template <int T>
    static inline void store(void* to, std::int64_t stride) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(T) : "memory");
    }

    // C += A B, where bytes of A and B are signed (s) or unsigned (u).
    template <int C, int A, int B>
    static inline void dot_ss() {
        asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    }
    template <int C, int A, int B>
    static inline void dot_su() {
        asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    }
    template <int C, int A, int B>
    static inline void dot_us() {
        asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    }
    template <int C, int A, int B>
    static inline void dot_uu() {
        asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    }
};
