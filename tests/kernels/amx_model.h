// A model of the tile instructions of AMX, after the operations that Intel's manual gives (volume 2): what amx_tiles.h
// is where the processor has them, and included as that is. What the processor would refuse ends the program.

struct ModelTile {
    int rows = 0, row_bytes = 0;  // as configured
    std::uint8_t bytes[16][64] = {};
};

struct ModelState {
    bool is_configured = false;
    ModelTile tiles[8];
    test::TileCounts counts;

    ModelTile& tile(int number) {
        require(is_configured && tiles[number].rows > 0, "a tile that is configured");
        return tiles[number];
    }
    static void require(bool condition, const char* what) {
        if (condition) return;
        std::fprintf(stderr, "amx model: expected %s\n", what);
        std::abort();
    }
};

thread_local ModelState model;

struct Tiles {
    static void configure(const void* config) {
        const auto* bytes = static_cast<const std::uint8_t*>(config);
        model.require(bytes[0] == 1, "palette 1");
        model.counts.configured += 1;
        model.is_configured = true;
        for (int t = 0; t < 8; ++t) {
            std::uint16_t row_bytes;
            std::memcpy(&row_bytes, bytes + 16 + 2 * t, 2);
            model.require(row_bytes <= 64 && bytes[48 + t] <= 16, "tiles of at most 16 rows of 64 bytes");
            model.tiles[t] = {};
            model.tiles[t].rows = bytes[48 + t];
            model.tiles[t].row_bytes = row_bytes;
        }
        for (int i = 1; i < 64; ++i) {
            const bool is_used = (i >= 16 && i < 32) || (i >= 48 && i < 56);
            model.require(is_used || bytes[i] == 0, "reserved bytes of 0, and to begin with the first row");
        }
    }
    static void release() {
        model.is_configured = false;
        model.counts.released += 1;
    }

    template <int T>
    static void zero() {
        std::memset(model.tile(T).bytes, 0, sizeof(ModelTile::bytes));
    }
    template <int T>
    static void load(const void* from, std::int64_t stride) {
        zero<T>();
        ModelTile& tile = model.tile(T);
        for (int row = 0; row < tile.rows; ++row) {
            std::memcpy(tile.bytes[row], static_cast<const char*>(from) + row * stride,
                        static_cast<std::size_t>(tile.row_bytes));
        }
        model.counts.loads += 1;
    }
    template <int T>
    static void store(void* to, std::int64_t stride) {
        const ModelTile& tile = model.tile(T);
        for (int row = 0; row < tile.rows; ++row) {
            std::memcpy(static_cast<char*>(to) + row * stride, tile.bytes[row],
                        static_cast<std::size_t>(tile.row_bytes));
        }
    }

    template <int C, int A, int B>
    static void dot_ss() {
        dot<std::int8_t, std::int8_t>(C, A, B);
    }
    template <int C, int A, int B>
    static void dot_su() {
        dot<std::int8_t, std::uint8_t>(C, A, B);
    }
    template <int C, int A, int B>
    static void dot_us() {
        dot<std::uint8_t, std::int8_t>(C, A, B);
    }
    template <int C, int A, int B>
    static void dot_uu() {
        dot<std::uint8_t, std::uint8_t>(C, A, B);
    }

  private:
    template <class ByteA, class ByteB>
    static void dot(int c, int a, int b) {
        model.counts.dots += 1;
        ModelTile &sums = model.tile(c), &left = model.tile(a), &right = model.tile(b);
        model.require(c != a && a != b && c != b, "three different tiles");
        model.require(sums.rows == left.rows && sums.row_bytes == right.row_bytes && left.row_bytes == 4 * right.rows,
                      "tiles whose sizes fit");
        for (int m = 0; m < sums.rows; ++m) {
            std::uint32_t row[16];
            std::memcpy(row, sums.bytes[m], sizeof row);
            for (int k = 0; k < left.row_bytes / 4; ++k) {
                for (int n = 0; n < sums.row_bytes / 4; ++n) {
                    for (int i = 0; i < 4; ++i) {
                        const auto x = static_cast<ByteA>(left.bytes[m][4 * k + i]);
                        const auto y = static_cast<ByteB>(right.bytes[k][4 * n + i]);
                        row[n] += static_cast<std::uint32_t>(std::int32_t{x} * std::int32_t{y});
                    }
                }
            }
            std::memcpy(sums.bytes[m], row, sizeof row);
        }
    }
};
