// Tiles of up to 64 queries and four panels by the matrix instructions of AMX: included by certify_amx.cpp into an
// anonymous namespace after amx_tiles.h and certify_avx512.h, and by a test after a model of these instructions.
//
// A panel is tiles B as it is: 16 steps are 16 rows of B, the 16 rows of the panel its columns. Queries are tiles A: 16
// of them, 64 bytes of each. int8: queries are signed, rows, code + 128, unsigned. int16: c = 256 h + l, l from 0 to
// 255, and
//     <x, y> = 2^16 <h, h> + 2^8 (<h, l> + <l, h>) + <l, l>,
// where all sums are taken modulo 2^32: as <x, y> fits into 32 bits, that is <x, y>.

constexpr std::int64_t kFew = 4;             // queries that avx512 serves: no more arithmetic than memory is worth
constexpr std::int64_t kTile = 16;           // rows of a tile: queries of A, steps of B
constexpr std::int64_t kTileBytes = 1024;    // 16 x 64
constexpr std::int64_t kMostQueries = 64;    // of a call,
constexpr std::int64_t kMostPanels = 4;      // of which it takes two by two
constexpr std::int64_t kSegment = 8;         // chunks of int16 codes that are split at once: 16 KiB of the L1 cache
constexpr std::int64_t kLeastAhead = 16384;  // bytes by which panels are fetched before they are multiplied

static_assert(kMostPanels * kTile <= kMaxTileRows);

struct alignas(64) TileConfig {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);
constexpr TileConfig kWholeTiles;

std::int64_t blocks_of(std::int64_t count) { return (count + kTile - 1) / kTile; }

// What one tile holds of a vector: 64 codes.
std::int64_t chunks8(std::int64_t steps) { return (steps + kTile - 1) / kTile; }
std::int64_t chunks16(std::int64_t steps) { return (steps + 2 * kTile - 1) / (2 * kTile); }

// High and low bytes of four int16 codes, of which a step holds two: codes 0, 2, 1, 3 of them, for queries as for rows.
template <class Words>
inline Words high_bytes(Words first, Words second) {
    return (first >> 8 & 0x00ff00ff) | (second & 0xff00ff00);
}
template <class Words>
inline Words low_bytes(Words first, Words second) {
    return (first & 0x00ff00ff) | (second << 8 & 0xff00ff00);
}

// Queries: [blocks of 16][chunks][16 queries][64 bytes].
std::int64_t query_bytes8(std::int64_t count, std::int64_t steps) {
    if (count <= kFew) return certify_avx512.int8.query_bytes(count, steps);
    return blocks_of(count) * chunks8(steps) * kTileBytes;
}

void store_query8(const std::uint8_t* query, std::int64_t steps, std::int64_t place, std::int64_t count,
                  std::int8_t* out) {
    if (count <= kFew) return certify_avx512.int8.store_query(query, steps, place, count, out);
    std::int8_t* row = out + place / kTile * chunks8(steps) * kTileBytes + place % kTile * 64;
    for (std::int64_t t = 0; t < steps; t += kTile) {
        std::memcpy(row + t * 64, query + t * 4, static_cast<std::size_t>(steps - t < kTile ? steps - t : kTile) * 4);
    }
}

// [blocks of 16][chunks][high, low][16 queries][64 bytes].
std::int64_t query_bytes16(std::int64_t count, std::int64_t steps) {
    if (count <= kFew) return certify_avx512.int16.query_bytes(count, steps);
    return blocks_of(count) * chunks16(steps) * 2 * kTileBytes;
}

void store_query16(const std::uint8_t* query, std::int64_t steps, std::int64_t place, std::int64_t count,
                   std::int8_t* out) {
    if (count <= kFew) return certify_avx512.int16.store_query(query, steps, place, count, out);
    std::int8_t* row = out + place / kTile * chunks16(steps) * 2 * kTileBytes + place % kTile * 64;
    for (std::int64_t t = 0; t < steps; t += 2) {
        std::uint32_t two[2] = {};
        std::memcpy(two, query + t * 4, t + 1 < steps ? 8 : 4);
        const std::uint32_t high = high_bytes(two[0], two[1]), low = low_bytes(two[0], two[1]);
        std::int8_t* to = row + t / (2 * kTile) * 2 * kTileBytes + t / 2 % kTile * 4;
        std::memcpy(to, &high, 4);
        std::memcpy(to + kTileBytes, &low, 4);
    }
}

// A panel as chunks of int8 tiles: what follows its last step belongs to another, so the last chunk may be a copy.
struct Chunks8 {
    Chunks8(const Panels& panels, std::uint32_t number, std::uint8_t* tail)
        : panel(panels.codes + number * (panels.steps * 64)), last(tail), whole(panels.steps / kTile) {
        const std::int64_t rest = panels.steps % kTile;
        if (rest == 0) return;
        std::memcpy(tail, panel + whole * kTileBytes, static_cast<std::size_t>(rest) * 64);
        std::memset(tail + rest * 64, 0, static_cast<std::size_t>((kTile - rest) * 64));
    }
    const std::uint8_t* operator[](std::int64_t chunk) const {
        return chunk < whole ? panel + chunk * kTileBytes : last;
    }

    const std::uint8_t *panel, *last;
    std::int64_t whole;
};

inline void fetch(const std::uint8_t* chunk) {
    for (std::int64_t byte = 0; byte < kTileBytes; byte += 64) __builtin_prefetch(chunk + byte, 0, 2);
}

// Q blocks of 16 queries, `block` bytes apart, and G panels: sums [G][Q][16 queries][16 rows].
template <int Q, int G>
void sums8(const std::int8_t* queries, std::int64_t block, const Chunks8* panels, std::int64_t chunks,
           std::int64_t ahead, std::int32_t* sums) {
    Tiles::zero<0>();
    if (G > 1) Tiles::zero<1>();
    if (Q > 1) Tiles::zero<2>();
    if (Q > 1 && G > 1) Tiles::zero<3>();
    for (std::int64_t c = 0; c < chunks; ++c) {
        Tiles::load<4>(queries + c * kTileBytes, 64);
        Tiles::load<6>(panels[0][c], 64);
        Tiles::dot_su<0, 4, 6>();
        if (G > 1) {
            Tiles::load<7>(panels[1][c], 64);
            Tiles::dot_su<1, 4, 7>();
        }
        if (Q > 1) {
            Tiles::load<5>(queries + block + c * kTileBytes, 64);
            Tiles::dot_su<2, 5, 6>();
        }
        if (Q > 1 && G > 1) Tiles::dot_su<3, 5, 7>();
        for (int g = 0; g < G && ahead != 0; ++g) fetch(panels[g].panel + c * kTileBytes + ahead);
    }
    Tiles::store<0>(sums, 64);
    if (G > 1) Tiles::store<1>(sums + Q * 256, 64);
    if (Q > 1) Tiles::store<2>(sums + 256, 64);
    if (Q > 1 && G > 1) Tiles::store<3>(sums + 768, 64);
}

// Calls sink(first query, how many, number among the chosen, their sums [queries][16 rows]) for all of them.
template <class Sink>
void products8(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const std::int8_t* codes,
               std::int64_t count, const Sink& sink) {
    const std::int64_t chunks = chunks8(panels.steps), block = chunks * kTileBytes;
    const std::int64_t bytes = groups * panels.steps * 64, ahead = bytes > kLeastAhead ? bytes : kLeastAhead;
    alignas(64) std::uint8_t tails[2][kTileBytes];
    alignas(64) std::int32_t sums[4 * 256];
    Tiles::configure(&kWholeTiles);
    for (std::int64_t g = 0; g < groups; g += 2) {
        const bool is_pair = g + 1 < groups;
        const Chunks8 pair[] = {{panels, chosen[g], tails[0]}, {panels, chosen[is_pair ? g + 1 : g], tails[1]}};
        for (std::int64_t q = 0; q < count; q += 2 * kTile) {
            const std::int64_t left = count - q < 2 * kTile ? count - q : 2 * kTile;
            const bool is_full = left > kTile;
            constexpr decltype(&sums8<1, 1>) kRuns[] = {sums8<1, 1>, sums8<1, 2>, sums8<2, 1>, sums8<2, 2>};
            // The first queries fetch for all.
            kRuns[2 * is_full + is_pair](codes + q / kTile * block, block, pair, chunks, q == 0 ? ahead : 0, sums);
            sink(q, left, g, sums);
            if (is_pair) sink(q, left, g + 1, sums + (is_full ? 512 : 256));
        }
    }
    Tiles::release();
}

typedef std::uint32_t Words16 __attribute__((vector_size(64)));

// Chunks first, ..., first + count - 1 of a panel of int16 codes, as tiles of their high and of their low bytes.
void split(const Panels& panels, std::uint32_t number, std::int64_t first, std::int64_t count,
           std::uint8_t (*out)[2][kTileBytes]) {
    const std::uint8_t* panel = panels.codes + number * (panels.steps * 64);
    for (std::int64_t c = 0; c < count; ++c) {
        for (std::int64_t row = 0; row < kTile; ++row) {
            const std::int64_t step = (first + c) * 2 * kTile + 2 * row;
            Words16 one = {}, two = {};
            if (step < panels.steps) std::memcpy(&one, panel + step * 64, 64);
            if (step + 1 < panels.steps) std::memcpy(&two, panel + (step + 1) * 64, 64);
            const Words16 high = high_bytes(one, two), low = low_bytes(one, two);
            std::memcpy(out[c][0] + row * 64, &high, 64);
            std::memcpy(out[c][1] + row * 64, &low, 64);
        }
    }
}

// Adds to `sums` [16 queries][16 rows] what some chunks contribute.
void add_sums16(const std::int8_t* queries, const std::uint8_t (*panel)[2][kTileBytes], std::int64_t chunks,
                std::uint32_t* sums) {
    Tiles::zero<0>();
    Tiles::zero<1>();
    Tiles::zero<2>();
    Tiles::zero<3>();
    for (std::int64_t c = 0; c < chunks; ++c) {
        Tiles::load<4>(queries + c * 2 * kTileBytes, 64);
        Tiles::load<6>(panel[c][0], 64);
        Tiles::dot_ss<0, 4, 6>();
        Tiles::load<7>(panel[c][1], 64);
        Tiles::dot_su<1, 4, 7>();
        Tiles::load<5>(queries + (c * 2 + 1) * kTileBytes, 64);
        Tiles::dot_us<2, 5, 6>();
        Tiles::dot_uu<3, 5, 7>();
    }
    alignas(64) std::uint32_t parts[4][256];
    Tiles::store<0>(parts[0], 64);
    Tiles::store<1>(parts[1], 64);
    Tiles::store<2>(parts[2], 64);
    Tiles::store<3>(parts[3], 64);
    for (std::int64_t i = 0; i < 256; ++i) {
        sums[i] += (parts[0][i] << 16) + ((parts[1][i] + parts[2][i]) << 8) + parts[3][i];
    }
}

// As products8.
template <class Sink>
void products16(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const std::int8_t* codes,
                std::int64_t count, const Sink& sink) {
    const std::int64_t chunks = chunks16(panels.steps), block = chunks * 2 * kTileBytes;
    alignas(64) std::uint8_t parts[kSegment][2][kTileBytes];
    alignas(64) std::uint32_t sums[kMostQueries * 16];
    Tiles::configure(&kWholeTiles);
    for (std::int64_t g = 0; g < groups; ++g) {
        std::memset(sums, 0, static_cast<std::size_t>(blocks_of(count)) * kTileBytes);
        for (std::int64_t first = 0; first < chunks; first += kSegment) {
            const std::int64_t size = chunks - first < kSegment ? chunks - first : kSegment;
            split(panels, chosen[g], first, size, parts);
            for (std::int64_t q = 0; q < count; q += kTile) {
                add_sums16(codes + q / kTile * block + first * 2 * kTileBytes, parts, size, sums + q * 16);
            }
        }
        sink(0, count, g, reinterpret_cast<const std::int32_t*>(sums));
    }
    Tiles::release();
}

std::int64_t tile_groups(std::int64_t count, std::int64_t steps) {
    return count <= kFew ? certify_avx512.int8.tile_groups(count, steps) : kMostPanels;
}

template <bool is8>
void tile(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const float* excess,
          const std::int8_t* codes, std::int64_t count, Candidates* const* queries) {
    if (count <= kFew) {
        const Codes& few = is8 ? certify_avx512.int8 : certify_avx512.int16;
        return few.tile(panels, chosen, groups, excess, codes, count, queries);
    }
    const auto sink = [&](std::int64_t first, std::int64_t size, std::int64_t g, const std::int32_t* sums) {
        const std::uint32_t panel = chosen[g];
        const RowTest test(panels, panel, excess + g * kTile);
        Candidates* const* query_of = queries + first;
        for (std::int64_t j = 0; j < size; ++j) {
            Candidates& query = *query_of[j];
            const __m512i total = _mm512_add_epi32(_mm512_load_si512(sums + j * kTile), _mm512_set1_epi32(query.start));
            const __m512 estimate = test.estimate(total, query);
            const __mmask16 passed = test.passed(estimate, query);
            if (passed != 0) append(query, panel, passed, estimate);
        }
    };
    if (is8) {
        products8(panels, chosen, groups, codes, count, sink);
    } else {
        products16(panels, chosen, groups, codes, count, sink);
    }
}

// Relative to avx512: what the products cost that are counted, 16 cycles for 16 x 16 x 64.
constexpr Codes kInt8{127, kMostQueries, kTile, tile_groups, query_bytes8, store_query8, tile<true>, 1.0 / 8};
constexpr Codes kInt16{0, kMostQueries, kTile, tile_groups, query_bytes16, store_query16, tile<false>, 2.0 / 4};

// Whether tiles multiply here as they should: one product of each kind.
bool multiplies() {
    alignas(64) std::uint8_t a[kTileBytes], b[kTileBytes];
    alignas(64) std::int32_t found[4][256];
    std::uint32_t state = 1;
    for (std::int64_t i = 0; i < kTileBytes; ++i) {
        a[i] = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
        b[i] = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    }
    Tiles::configure(&kWholeTiles);
    Tiles::load<4>(a, 64);
    Tiles::load<5>(b, 64);
    Tiles::dot_ss<0, 4, 5>();
    Tiles::dot_su<1, 4, 5>();
    Tiles::dot_us<2, 4, 5>();
    Tiles::dot_uu<3, 4, 5>();
    Tiles::store<0>(found[0], 64);
    Tiles::store<1>(found[1], 64);
    Tiles::store<2>(found[2], 64);
    Tiles::store<3>(found[3], 64);
    Tiles::release();
    const auto number = [](std::uint8_t byte, bool is_signed) {
        return is_signed ? std::int32_t{static_cast<std::int8_t>(byte)} : std::int32_t{byte};
    };
    bool right = true;
    for (std::int64_t at = 0; at < 4 * 256; ++at) {
        const std::int64_t kind = at / 256, row = at / 16 % 16, column = at % 16;
        std::int32_t sum = 0;
        for (std::int64_t j = 0; j < 64; ++j) {
            sum += number(a[row * 64 + j], kind < 2) * number(b[j / 4 * 64 + column * 4 + j % 4], kind % 2 == 0);
        }
        right = right && sum == found[kind][at % 256];
    }
    return right;
}
