// The matrix product on the CPU: see kernels/gemm.h for the formula and the order of arithmetic.
//
// C is cut into a grid of tiles, a function of the shape only, and a tile is a task. Both operands
// are packed into strips first (gemm_pack.h); a tile multiplies strip by strip (gemm_micro.h) into
// a buffer of its own, K block by K block, and finishes each block of C in the last round
// (gemm_epilogue.h). A very long K goes by chunks, so that packing needs bounded memory; partial
// sums wait in f32 between chunks. An operand with many strips is packed by the tasks that use it.
#include "kernels/gemm.h"

#include "kernels/cpu/gemm_epilogue.h"
#include "kernels/cpu/gemm_f64.h"
#include "kernels/cpu/gemm_pack.h"

GT_ISA_BEGIN
namespace {

constexpr std::int64_t kTileRows = 8 * kRows, kTileColumns = 128;  // what the second cache holds
constexpr std::int64_t kTasks = 48;      // enough that no thread waits long for the last
constexpr std::int64_t kManyTasks = 96;  // a side with so many tiles is a grid by itself
constexpr std::int64_t kPacked = std::int64_t{8} << 20;  // units packed at a time (32 MiB)
constexpr std::int64_t kMaxChunk = 8 * kGemmK;

// Strips [0, count) shared out evenly over tiles.
struct Tiles {
  Strips strips;
  std::int64_t count = 1;
  GT_INLINE std::int64_t begin(std::int64_t t) const { return strips.count * t / count; }
};

enum class Packing { shared, own_a, own_b };  // own: by the task that uses it

struct Grid {
  Tiles rows, columns;
  Packing packing = Packing::shared;
  std::int64_t chunk = kGemmK;  // of K

  GT_INLINE std::int64_t tasks() const {
    if (packing == Packing::own_a) return rows.count;
    if (packing == Packing::own_b) return columns.count;
    return rows.count * columns.count;
  }
};

Packing choose_packing(const Grid& g) {
  if (g.rows.strips.count <= 2) return Packing::own_b;
  if (g.columns.count >= kManyTasks && g.columns.count >= g.rows.count) return Packing::own_b;
  if (g.rows.count >= kManyTasks) return Packing::own_a;
  return Packing::shared;
}

Grid make_grid(const GemmProblem& p) {
  Grid g;
  g.rows.strips = row_strips(p.m), g.columns.strips = column_strips(p.n);
  g.rows.count = blocks_of(p.m, kTileRows), g.columns.count = blocks_of(p.n, kTileColumns);
  g.packing = choose_packing(g);
  const auto strips_a_tile = [](const Tiles& t) { return t.strips.count / t.count; };
  while (g.tasks() < kTasks) {  // small products: smaller tiles
    Tiles& larger_side = strips_a_tile(g.rows) * kRows >= strips_a_tile(g.columns) * kNR &&
                                 g.packing != Packing::own_b
                             ? g.rows
                             : g.columns;
    if (strips_a_tile(larger_side) < 2) break;
    larger_side.count *= 2;
  }
  const std::int64_t vectors = g.packing == Packing::own_a   ? p.n
                               : g.packing == Packing::own_b ? p.m
                                                             : p.m + p.n;
  const std::int64_t chunk = kPacked / larger(vectors, 1) / kGemmK * kGemmK;
  g.chunk = smaller(larger(chunk, kGemmK), kMaxChunk);
  return g;
}

// One product of a batch, with everything a task needs.
template <class Unit>
class Product {
 public:
  Product(CpuQueue& queue, const GemmProblem& p, const MicroTable& micro)
      : queue_(queue),
        p_(p),
        micro_(micro),
        grid_(make_grid(p)),
        chunk_(smaller(larger(p.k, 1), grid_.chunk)),
        ld_(grid_.columns.strips.count * kNR),
        a_(queue, bytes(grid_.rows, p.m, grid_.packing == Packing::own_a), "gemm.packed_a"),
        b_(queue, bytes(grid_.columns, ld_, grid_.packing == Packing::own_b), "gemm.packed_b"),
        tile_(queue, queue.pool.threads() * tile_size() * 4, "gemm.tile"),
        partial_(queue, p.k > chunk_ ? p.m * ld_ * 4 : 0, "gemm.partial") {}

  void run(Operand a, Operand b, const Epilogue& epilogue) {
    epilogue_ = epilogue;
    for (k0_ = 0; k0_ == 0 || k0_ < p_.k; k0_ += chunk_) {
      k_ = smaller(chunk_, p_.k - k0_), units_ = blocks_of(k_, Unit::kPerUnit);
      from_a_ = at_k<Unit>(a), from_b_ = at_k<Unit>(b);
      pack_shared();
      queue_.pool.parallel_for(grid_.tasks(),
                               [&](std::int64_t task, int worker) { run_task(task, worker); });
    }
  }

 private:
  // Packed vectors: all of them, or a tile's a thread.
  std::int64_t bytes(const Tiles& tiles, std::int64_t all, bool own) const {
    const std::int64_t widest = tiles.strips.even ? kRows : kNR;
    own_size_ = own ? (blocks_of(tiles.strips.count, tiles.count) * widest) *
                          blocks_of(chunk_, Unit::kPerUnit)
                    : own_size_;
    return own ? queue_.pool.threads() * own_size_ * 4
               : all * blocks_of(chunk_, Unit::kPerUnit) * 4;
  }
  std::int64_t tile_size() const {
    return blocks_of(grid_.rows.strips.count, grid_.rows.count) * kRows *
           blocks_of(grid_.columns.strips.count, grid_.columns.count) * kNR;
  }

  template <class U>
  Operand at_k(Operand x) const {
    x.data = static_cast<const typename U::Element*>(x.data) + k0_ * x.k_step;
    return x;
  }

  void pack_tile(const Operand& from, const Tiles& tiles, std::int64_t t, float* to) const {
    pack(Unit{}, from, tiles.strips, tiles.begin(t), tiles.begin(t + 1), k_, to);
  }
  float* shared_tile(const Scratch& all, const Tiles& tiles, std::int64_t t) const {
    return all.as<float>() + tiles.strips.start(tiles.begin(t)) * units_;
  }

  void pack_shared() const {
    const std::int64_t a = grid_.packing == Packing::own_a ? 0 : grid_.rows.count;
    const std::int64_t b = grid_.packing == Packing::own_b ? 0 : grid_.columns.count;
    queue_.pool.parallel_for(a + b, [&](std::int64_t t, int) {
      if (t < a)
        pack_tile(from_a_, grid_.rows, t, shared_tile(a_, grid_.rows, t));
      else
        pack_tile(from_b_, grid_.columns, t - a, shared_tile(b_, grid_.columns, t - a));
    });
  }

  void run_task(std::int64_t task, int worker) const {
    const Tiles &rows = grid_.rows, &columns = grid_.columns;
    float* tile = tile_.as<float>() + worker * tile_size();
    if (grid_.packing == Packing::own_a) {
      float* a = a_.as<float>() + worker * own_size_;
      pack_tile(from_a_, rows, task, a);
      for (std::int64_t j = 0; j < columns.count; ++j)
        run_tile(task, j, a, shared_tile(b_, columns, j), tile);
    } else if (grid_.packing == Packing::own_b) {
      float* b = b_.as<float>() + worker * own_size_;
      pack_tile(from_b_, columns, task, b);
      for (std::int64_t i = 0; i < rows.count; ++i)
        run_tile(i, task, shared_tile(a_, rows, i), b, tile);
    } else {
      const std::int64_t i = task / columns.count, j = task % columns.count;
      run_tile(i, j, shared_tile(a_, rows, i), shared_tile(b_, columns, j), tile);
    }
  }

  void run_tile(std::int64_t i, std::int64_t j, const float* a, const float* b, float* tile) const {
    const Strips &rows = grid_.rows.strips, &columns = grid_.columns.strips;
    const std::int64_t r0 = grid_.rows.begin(i), r1 = grid_.rows.begin(i + 1);
    const std::int64_t c0 = grid_.columns.begin(j), c1 = grid_.columns.begin(j + 1);
    const std::int64_t row = rows.start(r0), column = c0 * kNR, ld = (c1 - c0) * kNR;
    const std::int64_t height = rows.start(r1) - row;
    float* partial = partial_.as<float>() + row * ld_ + column;
    if (k0_ > 0) copy(partial, ld_, tile, ld, height, ld);
    for (std::int64_t at = 0; at == 0 || at < k_; at += kGemmK) {
      const std::int64_t size = smaller(kGemmK, k_ - at), skip = at / Unit::kPerUnit;
      const bool first = k0_ + at == 0, last = k0_ + at + size == p_.k;
      for (std::int64_t r = r0; r < r1; ++r) {
        const std::int64_t top = rows.start(r) - row, n_rows = rows.width(r);
        const Micro multiply = micro_.entry[n_rows];
        for (std::int64_t c = c0; c < c1; ++c) {
          float* block = tile + top * ld + (c - c0) * kNR;
          multiply(a + top * units_ + skip * n_rows, b + (c - c0) * kNR * units_ + skip * kNR,
                   blocks_of(size, Unit::kPerUnit), block, ld, !first);
          if (last) finish(row + top, c * kNR, n_rows, columns.filled(c), block, ld);
        }
      }
    }
    if (k0_ + k_ < p_.k) copy(tile, ld, partial, ld_, height, ld);
  }

  void finish(std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns,
              const float* block, std::int64_t ld) const {
    if (p_.out == DType::bf16)
      finish_block<bf16>(epilogue_, row, column, rows, columns, block, ld);
    else
      finish_block<float>(epilogue_, row, column, rows, columns, block, ld);
  }

  static void copy(const float* from, std::int64_t from_ld, float* to, std::int64_t to_ld,
                   std::int64_t rows, std::int64_t columns) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; j += kLanes)
        store(to + i * to_ld + j, load(from + i * from_ld + j));
  }

  CpuQueue& queue_;
  const GemmProblem& p_;
  const MicroTable& micro_;
  const Grid grid_;
  const std::int64_t chunk_;  // of K
  const std::int64_t ld_;     // of partial sums
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
  return e;
}

template <class Unit>
void multiply(CpuQueue& queue, const Gemm& args, const GemmProblem& p, const MicroTable& micro) {
  Product<Unit> product(queue, p, micro);
  for (std::int64_t i = 0; i < p.batch; ++i) {
    Operand a = p.a, b = p.b;
    a.data = static_cast<const typename Unit::Element*>(a.data) + i * p.a_batch;
    b.data = static_cast<const typename Unit::Element*>(b.data) + i * p.b_batch;
    product.run(a, b, epilogue_of(args, p, i));
  }
}

#if defined(__AVX512F__)
constexpr MicroTable kPackedBf16 = bf16_table();
#endif

}  // namespace

void run(CpuQueue& queue, const Gemm& args) {
  const GemmProblem p = check_gemm(args);
  if (p.batch == 0 || p.m == 0 || p.n == 0) return;
  if (p.in == DType::f64) return gemm_f64(queue, p, args);
  if (p.in == DType::f32) return multiply<UnitF32>(queue, args, p, kPackedF32);
#if defined(__AVX512F__)
  if (queue.hardware_bf16) return multiply<UnitPair>(queue, args, p, kPackedBf16);
#endif
  multiply<UnitBf16>(queue, args, p, kPackedF32);
}

GT_ISA_END
GT_CPU_KERNEL(Gemm)
