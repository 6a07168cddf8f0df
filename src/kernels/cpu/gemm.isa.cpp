// The matrix product on the CPU: see kernels/gemm.h for the formula and the order of arithmetic.
//
// C is cut into a grid of tiles. Both operands are packed into strips first (gemm_pack.h); a tile
// is multiplied strip by strip (gemm_micro.h), K block by K block, and each strip of its rows is
// finished in the last round (gemm_epilogue.h). Running sums stand in C itself when it is f32 and
// nothing is added to it, else in a buffer. K goes by chunks, so that what is packed stays in
// cache. An operand with many strips is packed by the tasks that use it. How C is cut depends on
// the threads; the order in which an element is summed does not.
#include "kernels/gemm.h"

#include "kernels/cpu/gemm_epilogue.h"
#include "kernels/cpu/gemm_f64.h"
#include "kernels/cpu/gemm_pack.h"

GT_ISA_BEGIN
namespace {

constexpr std::int64_t kTileColumns = 128;  // with as many rows, what the second cache holds
constexpr std::int64_t kTasks = 48;         // enough that no thread waits long for the last
constexpr std::int64_t kOwnTasks = 2;       // at least, for each thread, if a task packs for itself
constexpr std::int64_t kOwnStrips = 2;      // of such a task, at least
constexpr std::int64_t kPacked = 2 << 20;   // units packed at a time (8 MiB)
constexpr std::int64_t kOwnChunk = 2 * kGemmK;  // of K, packed by a task for itself
constexpr std::int64_t kStretch = 32;           // of K, packed at a time for all tasks

// Strips [0, count) shared out evenly over parts.
struct Parts {
  Strips strips;
  std::int64_t count = 1;
  GT_INLINE std::int64_t begin(std::int64_t t) const { return strips.count * t / count; }
};

enum class Packing { shared, own_a, own_b };  // own: by the task that uses it

struct Grid {
  Parts rows, columns;
  Packing packing = Packing::shared;
  std::int64_t chunk = kGemmK;  // of K

  GT_INLINE std::int64_t tasks() const {
    if (packing == Packing::own_a) return rows.count;
    if (packing == Packing::own_b) return columns.count;
    return rows.count * columns.count;
  }
};

// The most rows that a strip of A has.
template <class Unit>
constexpr std::int64_t kStripRows = Unit::kTogether > 1 ? kNR : kRows;

// The longer side, if it makes tasks enough for every thread, is packed by the task that uses it
// and stays in the second cache of its core; the other side is packed once and streams through all.
// Blocks of A are narrower than those of B, so B has to be clearly longer to be worth it.
Packing choose_packing(std::int64_t row_strips, std::int64_t strip_rows, std::int64_t column_strips,
                       std::int64_t threads) {
  const std::int64_t enough = kOwnStrips * kOwnTasks * threads;
  const bool wide = 2 * column_strips * kNR >= 3 * row_strips * strip_rows;
  if (row_strips <= 2 || (column_strips >= enough && wide)) return Packing::own_b;
  return row_strips >= enough && !wide ? Packing::own_a : Packing::shared;
}

// Tiles of at most `largest` strips; alone, as many for one thread as for another.
Parts cut(const Strips& strips, std::int64_t largest, bool alone, std::int64_t threads) {
  const std::int64_t count = blocks_of(strips.count, largest);
  if (!alone) return {strips, count};
  const std::int64_t even = blocks_of(larger(count, kOwnTasks * threads), threads) * threads;
  return {strips, smaller(even, strips.count)};
}

// Small products: halves the longer side of the tiles until there are tasks enough.
void refine(Parts& rows, Parts& columns, std::int64_t strip_rows) {
  while (rows.count * columns.count < kTasks) {
    const bool taller =
        rows.strips.count * strip_rows * columns.count > columns.strips.count * kNR * rows.count;
    Parts& side = taller ? rows : columns;
    if (side.strips.count < 2 * side.count) return;
    side.count *= 2;
  }
}

template <class Unit>
Grid make_grid(const GemmProblem& p, std::int64_t threads) {
  constexpr std::int64_t kStrip = kStripRows<Unit>;
  Grid g;
  const Strips rows = row_strips<Unit>(p.m), columns = column_strips(p.n);
  g.packing = choose_packing(rows.count, kStrip, columns.count, threads);
  g.rows =
      cut(rows, kStrip > kRows ? kTileColumns / kStrip : 8, g.packing == Packing::own_a, threads);
  g.columns = cut(columns, kTileColumns / kNR, g.packing == Packing::own_b, threads);
  if (g.packing == Packing::shared) refine(g.rows, g.columns, kStrip);
  if (g.packing == Packing::own_a) {
    g.chunk = kGemmK * Unit::kPerUnit;
    return g;
  }
  const std::int64_t vectors = g.packing == Packing::own_b ? p.m : p.m + p.n;
  const std::int64_t chunk = kPacked * Unit::kPerUnit / larger(vectors, 1) / kGemmK * kGemmK;
  g.chunk = larger(chunk, kGemmK);
  if (g.packing == Packing::own_b) g.chunk = smaller(g.chunk, kOwnChunk * Unit::kPerUnit);
  return g;
}

// While it lives, the thread may use AMX's tiles.
template <bool kTiles>
struct TileUse {
#if defined(GT_AMX)
  std::conditional_t<kTiles, Tiles, char> tiles{};
#endif
};

// One product of a batch, with everything a task needs. UnitB: what B's units are packed from.
template <class Unit, class UnitB = Unit>
class Product {
 public:
  Product(CpuQueue& queue, const Gemm& args, const GemmProblem& p, const MicroTable& micro)
      : args_(args),
        queue_(queue),
        p_(p),
        micro_(micro),
        grid_(make_grid<Unit>(p, queue.pool.threads())),
        chunk_(smaller(larger(p.k, 1), grid_.chunk)),
        height_(grid_.rows.strips.start(grid_.rows.strips.count)),
        ld_(grid_.columns.strips.count * kNR),
        a_(queue, bytes(grid_.rows, height_, grid_.packing == Packing::own_a), "gemm.packed_a"),
        b_(queue, bytes(grid_.columns, ld_, grid_.packing == Packing::own_b), "gemm.packed_b"),
        tile_(queue, queue.pool.threads() * tile_size() * 4, "gemm.tile"),
        partial_(queue, buffered() && p.k > chunk_ ? height_ * ld_ * 4 : 0, "gemm.partial") {}

  void run(Operand a, Operand b, const Epilogue& epilogue) {
    epilogue_ = epilogue;
    for (k0_ = 0; k0_ == 0 || k0_ < p_.k; k0_ += chunk_) {
      k_ = smaller(chunk_, p_.k - k0_), units_ = units_of<Unit>(k_);
      from_a_ = at_k<Unit>(a), from_b_ = at_k<UnitB>(b);
      pack_shared();
      queue_.pool.parallel_for(grid_.tasks(),
                               [&](std::int64_t task, int worker) { run_task(task, worker); });
    }
  }

 private:
  static constexpr bool kTiles = Unit::kTogether > 1;

  // Where running sums cannot stand in C.
  bool buffered() const { return size_of(p_.out) == 2 || args_.onto_count > 0; }

  // Packed vectors: all of them, or a tile's a thread.
  std::int64_t bytes(const Parts& tiles, std::int64_t all, bool own) const {
    const std::int64_t widest = tiles.strips.even ? kRows : kNR;
    own_size_ = own ? blocks_of(tiles.strips.count, tiles.count) * widest * units_of<Unit>(chunk_)
                    : own_size_;
    return own ? queue_.pool.threads() * own_size_ * 4 : all * units_of<Unit>(chunk_) * 4;
  }
  std::int64_t tile_size() const {
    return blocks_of(grid_.rows.strips.count, grid_.rows.count) * kStripRows<Unit> *
           blocks_of(grid_.columns.strips.count, grid_.columns.count) * kNR;
  }

  template <class U>
  Operand at_k(Operand x) const {
    x.data = static_cast<const typename U::Element*>(x.data) + k0_ * x.k_step;
    return x;
  }

  void pack_a(const Operand& from, const Part& part, float* to) const {
#if defined(GT_AMX)
    if constexpr (kTiles) return pack_tiles(from, grid_.rows.strips, part, to);
#endif
    pack(Unit{}, from, grid_.rows.strips, part, to);
  }
  void pack_b(const Operand& from, const Part& part, float* to) const {
    pack(UnitB{}, from, grid_.columns.strips, part, to);
  }
  Part own_part(const Parts& side, std::int64_t t) const {
    return {side.begin(t), side.begin(t + 1), k_, units_};
  }
  float* shared_tile(const Scratch& all, const Parts& side, std::int64_t t) const {
    return all.as<float>() + side.strips.start(side.begin(t)) * units_;
  }

  // A side for all tasks is packed by strips where its vectors are contiguous along k, else by
  // stretches of k, so that memory is read in long lines.
  std::int64_t shared_tasks(const Operand& from, const Parts& side) const {
    return from.k_step == 1 ? side.count : blocks_of(k_, kStretch);
  }
  template <class U, class Pack>
  void pack_shared_task(Operand from, const Parts& side, const Scratch& to, std::int64_t t,
                        const Pack& pack) const {
    if (from.k_step == 1) return pack(from, own_part(side, t), shared_tile(to, side, t));
    const std::int64_t at = t * kStretch;
    from.data = static_cast<const typename U::Element*>(from.data) + at * from.k_step;
    pack(from, Part{0, side.strips.count, smaller(kStretch, k_ - at), units_, at / Unit::kPerUnit},
         to.as<float>());
  }
  void pack_shared() const {
    const Packing own = grid_.packing;
    const std::int64_t a = own == Packing::own_a ? 0 : shared_tasks(from_a_, grid_.rows);
    const std::int64_t b = own == Packing::own_b ? 0 : shared_tasks(from_b_, grid_.columns);
    queue_.pool.parallel_for(a + b, [&](std::int64_t t, int) {
      if (t < a)
        pack_shared_task<Unit>(from_a_, grid_.rows, a_, t,
                               [this](const auto&... x) { pack_a(x...); });
      else
        pack_shared_task<UnitB>(from_b_, grid_.columns, b_, t - a,
                                [this](const auto&... x) { pack_b(x...); });
    });
  }

  void run_task(std::int64_t task, int worker) const {
    const Parts &rows = grid_.rows, &columns = grid_.columns;
    float* tile = tile_.as<float>() + worker * tile_size();
    [[maybe_unused]] const TileUse<kTiles> use;
    if (grid_.packing == Packing::own_a) {
      float* a = a_.as<float>() + worker * own_size_;
      pack_a(from_a_, own_part(rows, task), a);
      for (std::int64_t j = 0; j < columns.count; ++j)
        run_tile(task, j, a, shared_tile(b_, columns, j), tile);
    } else if (grid_.packing == Packing::own_b) {
      float* b = b_.as<float>() + worker * own_size_;
      pack_b(from_b_, own_part(columns, task), b);
      for (std::int64_t i = 0; i < rows.count; ++i)
        run_tile(i, task, shared_tile(a_, rows, i), b, tile);
    } else {
      const std::int64_t i = task / columns.count, j = task % columns.count;
      run_tile(i, j, shared_tile(a_, rows, i), shared_tile(b_, columns, j), tile);
    }
  }

  // Tile (i, j) for this chunk of K, from its packed strips.
  void run_tile(std::int64_t i, std::int64_t j, const float* a, const float* b, float* tile) const {
    const Strips &rows = grid_.rows.strips, &columns = grid_.columns.strips;
    const std::int64_t r0 = grid_.rows.begin(i), r1 = grid_.rows.begin(i + 1);
    const std::int64_t c0 = grid_.columns.begin(j), c1 = grid_.columns.begin(j + 1);
    const std::int64_t top = rows.start(r0);
    const std::int64_t ld = partial_.as<float>() ? ld_ : (c1 - c0) * kNR;
    if (partial_.as<float>()) tile = partial_.as<float>() + top * ld_ + c0 * kNR;
    for (std::int64_t at = 0; at == 0 || at < k_; at += kGemmK) {
      const std::int64_t size = smaller(kGemmK, k_ - at), skip = at / Unit::kPerUnit;
      Step step{.k = units_of<Unit>(size), .first = k0_ + at == 0, .last = k0_ + at + size == p_.k};
      for (std::int64_t r = r0; r < r1; ++r) {
        const std::int64_t below = rows.start(r) - top;
        step.row = top + below, step.rows = rows.filled(r);
        step.a = a + below * units_ + skip * rows.width(r);
        for (std::int64_t c = c0; c < c1; ++c) {
          const std::int64_t right = (c - c0) * kNR;
          step.column = c * kNR, step.columns = columns.filled(c);
          step.b = b + right * units_ + skip * kNR;
          if (buffered())
            micro(step, tile + below * ld + right, ld, !step.first);
          else
            run_f32(step, tile);
        }
        if (step.last) finish(step, c0, c1, tile + below * ld, ld);
      }
    }
  }

  // One block of C for one K block.
  struct Step {
    std::int64_t k;
    bool first, last;  // of all K blocks
    std::int64_t row = 0, rows = 0, column = 0, columns = 0;
    const float *a = nullptr, *b = nullptr;
  };

  void micro(const Step& s, float* c, std::int64_t ldc, bool add) const {
#if defined(GT_AMX)
    if constexpr (kTiles) return micro_tiles(s.a, s.b, s.k, c, ldc, add);
#endif
    micro_.entry[s.rows](s.a, s.b, s.k, c, ldc, add);
  }

  // A strip of rows whose sums are done: rounded from where they stood, or finished in place.
  void finish(const Step& s, std::int64_t c0, std::int64_t c1, const float* sums,
              std::int64_t ld) const {
    const std::int64_t at = c0 * kNR, columns = smaller(c1 * kNR, p_.n) - at;
    if (p_.out == DType::bf16)
      finish_block<bf16>(epilogue_, s.row, at, s.rows, columns, sums, ld);
    else if (p_.out == DType::f16)
      finish_block<f16>(epilogue_, s.row, at, s.rows, columns, sums, ld);
    else if (buffered())
      finish_block<float>(epilogue_, s.row, at, s.rows, columns, sums, ld);
    else if (epilogue_.bias || epilogue_.gelu)
      finish_block<float>(epilogue_, s.row, at, s.rows, columns,
                          static_cast<float*>(epilogue_.c) + s.row * epilogue_.c_row + at,
                          epilogue_.c_row);
  }

  // The running sum stands in C; a strip that ends beyond C takes a detour.
  void run_f32(const Step& s, float* detour) const {
    float* c = static_cast<float*>(epilogue_.c) + s.row * epilogue_.c_row + s.column;
    const bool add = !s.first || epilogue_.accumulate;
    if (s.columns == kNR && (!kTiles || s.rows == kNR)) {
      micro(s, c, epilogue_.c_row, add);
    } else {
      if (add) copy_part(c, epilogue_.c_row, detour, kNR, s);
      micro(s, detour, kNR, add);
      copy_part(detour, kNR, c, epilogue_.c_row, s);
    }
  }

  static void copy_part(const float* from, std::int64_t from_ld, float* to, std::int64_t to_ld,
                        const Step& s) {
    for (std::int64_t i = 0; i < s.rows; ++i)
      for (std::int64_t j = 0; j < s.columns; ++j) to[i * to_ld + j] = from[i * from_ld + j];
  }

  const Gemm& args_;
  CpuQueue& queue_;
  const GemmProblem& p_;
  const MicroTable& micro_;
  const Grid grid_;
  const std::int64_t chunk_;        // of K
  const std::int64_t height_, ld_;  // of partial sums
  mutable std::int64_t own_size_ = 0;
  const Scratch a_, b_, tile_, partial_;
  Epilogue epilogue_;
  Operand from_a_, from_b_;                  // at the current chunk
  std::int64_t k0_ = 0, k_ = 0, units_ = 0;  // its start and size, and the units packed
};

Epilogue epilogue_of(const Gemm& args, const GemmProblem& p, std::int64_t batch) {
  const std::int64_t size = size_of(p.out);
  Epilogue e;
  e.c = args.c.as<char>() + batch * p.c_batch * size, e.c_row = p.c_row;
  if (args.pre) e.pre = args.pre.as<char>() + batch * p.pre_batch * size, e.pre_row = p.pre_row;
  e.bias = args.bias.as<float>(), e.gelu = args.gelu, e.accumulate = args.accumulate;
  e.onto = args.onto, e.onto_count = args.onto_count;
  return e;
}

template <class Unit, class UnitB = Unit>
void multiply(CpuQueue& queue, const Gemm& args, const GemmProblem& p, const MicroTable& micro) {
  Product<Unit, UnitB> product(queue, args, p, micro);
  for (std::int64_t i = 0; i < p.batch; ++i) {
    Operand a = p.a, b = p.b;
    a.data = static_cast<const typename Unit::Element*>(a.data) + i * p.a_batch;
    b.data = static_cast<const typename UnitB::Element*>(b.data) + i * p.b_batch;
    product.run(a, b, epilogue_of(args, p, i));
  }
}

// A is bf16, B too or f32.
template <class Unit, class Rounded>
void multiply_bf16(CpuQueue& queue, const Gemm& args, const GemmProblem& p,
                   const MicroTable& micro) {
  if (p.round_b) return multiply<Unit, Rounded>(queue, args, p, micro);
  multiply<Unit>(queue, args, p, micro);
}

#if defined(__AVX512F__)
constexpr MicroTable kPackedBf16 = bf16_table();
#endif

}  // namespace

void run(CpuQueue& queue, const Gemm& args) {
  const GemmProblem p = check_gemm(args, /*may_round_b=*/true);
  if (p.batch == 0 || p.m == 0 || p.n == 0) return;
  if (p.in == DType::f64) return gemm_f64(queue, p, args);
  if (p.in == DType::f32) return multiply<UnitF32>(queue, args, p, kPackedF32);
  if (p.in == DType::f16) return multiply<UnitF16>(queue, args, p, kPackedF32);
#if defined(GT_AMX)
  if (queue.bf16 == Bf16Products::amx)
    return multiply_bf16<UnitTile, RoundedTile>(queue, args, p, kPackedBf16);
#endif
#if defined(__AVX512F__)
  if (queue.bf16 != Bf16Products::widened)
    return multiply_bf16<UnitPair, RoundedPair>(queue, args, p, kPackedBf16);
#endif
  multiply_bf16<UnitBf16, RoundedBf16>(queue, args, p, kPackedF32);
}

GT_ISA_END
GT_CPU_KERNEL(Gemm)
