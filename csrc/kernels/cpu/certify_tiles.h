// Tiles of up to 128 queries and four panels by the matrix instructions of AMX: included by certify_amx.cpp into an
// anonymous namespace after amx_tiles.h and certify_avx512.h, and by a test after a model of these instructions.
//
// A panel is tiles B as it is: 16 steps are 16 rows of B, the 16 rows of the panel its columns. Queries are tiles A: 16
// of them, 64 bytes of each. int8: queries are signed, rows, code + 128, unsigned. int16: c = 256 h + l, l from 0 to
// 255, and
//     <x, y> = 2^16 <h, h> + 2^8 (<h, l> + <l, h>) + <l, l>,
// where all sums are taken modulo 2^32: as <x, y> fits into 32 bits, that is <x, y>.

constexpr std::int64_t kFew = 8;             // queries that avx512 serves: one tile of its own, which is sooner done
constexpr std::int64_t kTile = 16;           // rows of a tile: queries of A, steps of B
constexpr std::int64_t kTileBytes = 1024;    // 16 x 64
constexpr std::int64_t kMostQueries = 128;   // of a call,
constexpr std::int64_t kMostPanels = 4;      // of which it takes two by two
constexpr std::int64_t kOwnQueries = 48;     // rows that are queries whose products are taken together
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
    // Of steps first, ..., last - 1.
    Chunks8(const Panels& panels, std::int64_t number, std::int64_t first, std::int64_t end, std::uint8_t* tail)
        : panel(panels.codes + (number * panels.steps + first) * 64), last(tail), whole((end - first) / kTile) {
        const std::int64_t rest = (end - first) % kTile;
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

// Where the sums of blocks of 16 queries and panels lie: bytes from query to query, numbers from block to block and
// from panel to panel.
struct SumsLayout {
    std::int64_t row_bytes, block, panel;
};
constexpr std::int64_t kSums = kTile * kTile;  // of a tile

// Q blocks of 16 queries, `block` bytes apart, and G panels.
template <int Q, int G, bool is_added>
void sums8(const std::int8_t* queries, std::int64_t block, const Chunks8* panels, std::int64_t chunks,
           std::int64_t ahead, std::int32_t* sums, const SumsLayout& layout) {
    const std::int64_t row = layout.row_bytes;
    std::int32_t *right = sums + layout.panel, *below = sums + layout.block, *across = below + layout.panel;
    if (is_added) {
        Tiles::load<0>(sums, row);
        if (G > 1) Tiles::load<1>(right, row);
        if (Q > 1) Tiles::load<2>(below, row);
        if (Q > 1 && G > 1) Tiles::load<3>(across, row);
    } else {
        Tiles::zero<0>();
        if (G > 1) Tiles::zero<1>();
        if (Q > 1) Tiles::zero<2>();
        if (Q > 1 && G > 1) Tiles::zero<3>();
    }
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
    Tiles::store<0>(sums, row);
    if (G > 1) Tiles::store<1>(right, row);
    if (Q > 1) Tiles::store<2>(below, row);
    if (Q > 1 && G > 1) Tiles::store<3>(across, row);
}

// One or two blocks of queries, and one or two panels.
template <bool is_added>
void add_sums8(const std::int8_t* queries, std::int64_t block, bool is_full, const Chunks8* panels, bool is_pair,
               std::int64_t chunks, std::int64_t ahead, std::int32_t* sums, const SumsLayout& layout) {
    constexpr decltype(&sums8<1, 1, is_added>) kRuns[] = {sums8<1, 1, is_added>, sums8<1, 2, is_added>,
                                                          sums8<2, 1, is_added>, sums8<2, 2, is_added>};
    kRuns[2 * is_full + is_pair](queries, block, panels, chunks, ahead, sums, layout);
}

// Calls sink(first query, how many, number among the chosen, their sums [queries][16 rows]) for all of them.
template <class Sink>
void products8(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const std::int8_t* codes,
               std::int64_t count, const Sink& sink) {
    const std::int64_t chunks = chunks8(panels.steps), block = chunks * kTileBytes;
    const std::int64_t bytes = groups * panels.steps * 64, ahead = bytes > kLeastAhead ? bytes : kLeastAhead;
    alignas(64) std::uint8_t tails[2][kTileBytes];
    alignas(64) std::int32_t sums[4 * kSums];
    Tiles::configure(&kWholeTiles);
    for (std::int64_t g = 0; g < groups; g += 2) {
        const bool is_pair = g + 1 < groups;
        const Chunks8 pair[] = {{panels, chosen[g], 0, panels.steps, tails[0]},
                                {panels, chosen[is_pair ? g + 1 : g], 0, panels.steps, tails[1]}};
        for (std::int64_t q = 0; q < count; q += 2 * kTile) {
            const std::int64_t left = count - q < 2 * kTile ? count - q : 2 * kTile;
            const bool is_full = left > kTile;
            const SumsLayout layout{4 * kTile, kSums, is_full ? 2 * kSums : kSums};
            // The first queries fetch for all.
            add_sums8<false>(codes + q / kTile * block, block, is_full, pair, is_pair, chunks, q == 0 ? ahead : 0, sums,
                             layout);
            sink(q, left, g, sums);
            if (is_pair) sink(q, left, g + 1, sums + layout.panel);
        }
    }
    Tiles::release();
}

typedef std::uint32_t Words16 __attribute__((vector_size(64)));

// Chunks first, ..., first + count - 1 of a panel of int16 codes, as tiles of their high and of their low bytes.
void split(const Panels& panels, std::int64_t number, std::int64_t first, std::int64_t count,
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

// Adds to `sums` [16 queries, stride] what some chunks contribute.
void add_sums16(const std::int8_t* queries, const std::uint8_t (*panel)[2][kTileBytes], std::int64_t chunks,
                std::uint32_t* sums, std::int64_t stride) {
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
    alignas(64) std::uint32_t parts[4][kSums];
    Tiles::store<0>(parts[0], 64);
    Tiles::store<1>(parts[1], 64);
    Tiles::store<2>(parts[2], 64);
    Tiles::store<3>(parts[3], 64);
    for (std::int64_t query = 0; query < kTile; ++query) {
        std::uint32_t* to = sums + query * stride;
        for (std::int64_t i = query * kTile; i < (query + 1) * kTile; ++i, ++to) {
            *to += (parts[0][i] << 16) + ((parts[1][i] + parts[2][i]) << 8) + parts[3][i];
        }
    }
}

// As products8.
template <class Sink>
void products16(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const std::int8_t* codes,
                std::int64_t count, const Sink& sink) {
    const std::int64_t chunks = chunks16(panels.steps), block = chunks * 2 * kTileBytes;
    alignas(64) std::uint8_t parts[kSegment][2][kTileBytes];
    alignas(64) std::uint32_t sums[kMostQueries * kTile];
    Tiles::configure(&kWholeTiles);
    for (std::int64_t g = 0; g < groups; ++g) {
        std::memset(sums, 0, static_cast<std::size_t>(blocks_of(count)) * kTileBytes);
        for (std::int64_t first = 0; first < chunks; first += kSegment) {
            const std::int64_t size = chunks - first < kSegment ? chunks - first : kSegment;
            split(panels, chosen[g], first, size, parts);
            for (std::int64_t q = 0; q < count; q += kTile) {
                add_sums16(codes + q / kTile * block + first * 2 * kTileBytes, parts, size, sums + q * kTile, kTile);
            }
        }
        sink(0, count, g, reinterpret_cast<std::int32_t*>(sums));
    }
    Tiles::release();
}

// Of a search of rows for themselves: whole blocks of queries.
void own_sums8(const Panels& panels, std::int64_t panel, std::int64_t groups, std::int64_t first, std::int64_t last,
               const std::int8_t* codes, std::int64_t count, std::int32_t* sums, std::int64_t stride) {
    const std::int64_t block = chunks8(panels.steps) * kTileBytes, chunks = chunks8(last - first);
    const SumsLayout layout{4 * stride, kTile * stride, kTile};
    const std::int8_t* begin = codes + first / kTile * kTileBytes;
    alignas(64) std::uint8_t tails[2][kTileBytes];
    Tiles::configure(&kWholeTiles);
    for (std::int64_t g = 0; g < groups; g += 2) {
        const bool is_pair = g + 1 < groups;
        const Chunks8 pair[] = {{panels, panel + g, first, last, tails[0]},
                                {panels, panel + g + (is_pair ? 1 : 0), first, last, tails[1]}};
        for (std::int64_t q = 0; q < count; q += 2 * kTile) {
            add_sums8<true>(begin + q / kTile * block, block, count - q > kTile, pair, is_pair, chunks, 0,
                            sums + q * stride + g * kTile, layout);
        }
    }
    Tiles::release();
}

void own_sums16(const Panels& panels, std::int64_t panel, std::int64_t groups, std::int64_t first, std::int64_t last,
                const std::int8_t* codes, std::int64_t count, std::int32_t* sums, std::int64_t stride) {
    const std::int64_t block = chunks16(panels.steps) * 2 * kTileBytes, end = chunks16(last);
    alignas(64) std::uint8_t parts[kSegment][2][kTileBytes];
    auto* to = reinterpret_cast<std::uint32_t*>(sums);
    Tiles::configure(&kWholeTiles);
    for (std::int64_t g = 0; g < groups; ++g) {
        for (std::int64_t chunk = first / (2 * kTile); chunk < end; chunk += kSegment) {
            const std::int64_t size = end - chunk < kSegment ? end - chunk : kSegment;
            split(panels, panel + g, chunk, size, parts);
            for (std::int64_t q = 0; q < count; q += kTile) {
                add_sums16(codes + q / kTile * block + chunk * 2 * kTileBytes, parts, size, to + q * stride + g * kTile,
                           stride);
            }
        }
    }
    Tiles::release();
}

// One or two queries are bound by memory, too, but here four streams of it are faster than one: the processors that
// have tiles are of one maker.
std::int64_t tile_groups(std::int64_t count, std::int64_t steps) {
    return count > 2 && count <= kFew ? certify_avx512.int8.tile_groups(count, steps) : kMostPanels;
}

// Of the queries of a call, side by side: what test (3) has of each.
struct QueryNumbers {
    QueryNumbers(const Candidates* const* queries, std::int64_t count) {
        for (std::int64_t j = 0; j < count; ++j) {
            start[j] = queries[j]->start;
            slope[j] = queries[j]->slope;
            reach[j] = queries[j]->reach;
            cutoff[j] = queries[j]->cutoff;
        }
    }

    std::int32_t start[kMostQueries];
    float slope[kMostQueries], reach[kMostQueries], cutoff[kMostQueries];
};

// Tests the products of up to 32 queries and a panel. Which pass is hard to foresee: first all tests, without a branch,
// then one loop over those that passed. Sums [queries][16 rows] become estimates.
inline void test_products(const RowTest& test, const QueryNumbers& numbers, std::int64_t first, std::int64_t count,
                          std::int32_t* sums, std::uint32_t panel, Candidates* const* queries) {
    alignas(64) std::uint16_t passed[2 * kTile] = {};
    for (std::int64_t j = 0; j < count; ++j) {
        const std::int64_t at = first + j;
        const __m512i total =
            _mm512_add_epi32(_mm512_load_si512(sums + j * kTile), _mm512_set1_epi32(numbers.start[at]));
        const __m512 estimate = test.estimate(total, numbers.slope[at]);
        passed[j] = static_cast<std::uint16_t>(test.passed(estimate, numbers.reach[at], numbers.cutoff[at]));
        _mm512_store_ps(sums + j * kTile, estimate);
    }
    const __m512i all = _mm512_load_si512(passed);
    for (std::uint32_t any = _mm512_test_epi16_mask(all, all); any != 0; any &= any - 1) {
        const int j = __builtin_ctz(any);
        append(*queries[first + j], panel, passed[j], _mm512_load_ps(sums + j * kTile));
    }
}

template <bool is8>
void tile(const Panels& panels, const std::uint32_t* chosen, std::int64_t groups, const float* excess,
          const std::int8_t* codes, std::int64_t count, Candidates* const* queries) {
    if (count <= kFew) {
        const Codes& few = is8 ? certify_avx512.int8 : certify_avx512.int16;
        return few.tile(panels, chosen, groups, excess, codes, count, queries);
    }
    const QueryNumbers numbers(queries, count);
    const auto sink = [&](std::int64_t first, std::int64_t size, std::int64_t g, std::int32_t* sums) {
        const RowTest test(panels, chosen[g], excess + g * kTile);
        for (std::int64_t j = 0; j < size; j += 2 * kTile) {
            const std::int64_t some = size - j < 2 * kTile ? size - j : 2 * kTile;
            test_products(test, numbers, first + j, some, sums + j * kTile, chosen[g], queries);
        }
    };
    if (is8) {
        products8(panels, chosen, groups, codes, count, sink);
    } else {
        products16(panels, chosen, groups, codes, count, sink);
    }
}

// Relative to avx512: what the products cost that are counted, 16 cycles for 16 x 16 x 64.
constexpr Codes kInt8{127,          kMostQueries, kTile,   tile_groups, query_bytes8,
                      store_query8, tile<true>,   1.0 / 8, own_sums8,   kOwnQueries};
constexpr Codes kInt16{0,           kMostQueries, kTile,      tile_groups, query_bytes16, store_query16,
                       tile<false>, 2.0 / 4,      own_sums16, kOwnQueries};

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
