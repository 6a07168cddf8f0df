// Adafactor on the CPU: see kernels/adafactor.h. A tensor after the other, blocks of rows as tasks.
#include "kernels/adafactor.h"

#include "kernels/adafactor_rate.h"
#include "kernels/cpu/weights.h"
#include "kernels/reduce.h"

GT_ISA_BEGIN
namespace {

// One tensor of a call, with its place in the workspace.
struct Work {
  const Adafactor& a;
  const AdafactorTensor& p;
  float clip;
  std::int64_t rows;
  float* partials;    // (blocks, cols): sums of g^2 over a block's rows
  float* row_factor;  // (rows), (cols): of the update
  float* col_factor;
  double* squares;  // (2, blocks): sums of u^2 and w^2

  std::int64_t blocks() const { return blocks_of(rows, kFactorRows); }
};

// The sums of a block's rows, which are whole, and its part of the columns' sums.
void square_block(const Work& k, std::int64_t block) {
  const std::int64_t begin = block * kFactorRows, end = smaller(k.rows, begin + kFactorRows);
  const float b = k.a.scalars->correction1;
  float* partial = k.partials + block * k.p.cols;
  for (std::int64_t r = begin; r < end; ++r) {
    const float* grad = k.p.grad + r * k.p.cols;
    f32x16 total{};
    for_lanes(k.p.cols, [&](auto lanes, std::int64_t c) GT_BODY {
      const f32x16 g = lanes.get(grad + c) * k.clip, square = g * g;
      total += square;  // missing lanes are 0
      lanes.put(partial + c, r == begin ? square : lanes.get(partial + c) + square);
    });
    if (!k.p.row) continue;
    const float mean = reduce_add(total) / static_cast<float>(k.p.cols) + k.a.eps1;
    k.p.row[r] = fma(b, k.p.row[r], (1.0f - b) * mean);
  }
}

void columns(const Work& k, std::int64_t begin, std::int64_t end) {
  const float b = k.a.scalars->correction1, rows = static_cast<float>(k.rows);
  for_lanes(end - begin, [&](auto lanes, std::int64_t i) GT_BODY {
    const std::int64_t c = begin + i;
    f32x16 sum{};
    for (std::int64_t n = 0; n < k.blocks(); ++n) sum += lanes.get(k.partials + n * k.p.cols + c);
    const f32x16 mean = sum / rows + k.a.eps1;
    const f32x16 col = fma(splat(b), lanes.get(k.p.col + c), mean * (1.0f - b));
    lanes.put(k.p.col + c, col);
    lanes.put(k.col_factor + c, 1.0f / sqrt(col));
  });
}

void row_factors(const Work& k) {
  double sum = 0.0;
  for (std::int64_t r = 0; k.p.row && r < k.rows; ++r) sum += static_cast<double>(k.p.row[r]);
  const float mean = static_cast<float>(sum / static_cast<double>(k.rows));
  for (std::int64_t r = 0; r < k.rows; ++r)
    k.row_factor[r] = k.p.row ? __builtin_sqrtf(mean / k.p.row[r]) : 1.0f;
}

GT_INLINE f32x16 update_of(const Work& k, const auto& lanes, std::int64_t r, std::int64_t c) {
  const f32x16 g = lanes.get(k.p.grad + r * k.p.cols + c) * k.clip;
  return g * k.row_factor[r] * lanes.get(k.col_factor + c);
}

GT_INLINE double sum_f64(f32x16 v) {
  float values[kLanes];
  store(values, v);
  double sum = 0.0;
  for (const float x : values) sum += static_cast<double>(x);
  return sum;
}

void sum_block(const Work& k, std::int64_t block) {
  const std::int64_t begin = block * kFactorRows, end = smaller(k.rows, begin + kFactorRows);
  double updates = 0.0, weights = 0.0;
  for (std::int64_t r = begin; r < end; ++r) {
    f32x16 u2{}, w2{};
    for_lanes(k.p.cols, [&](auto lanes, std::int64_t c) GT_BODY {
      const f32x16 u = update_of(k, lanes, r, c);
      u2 += lanes.keep(u * u);
      if (!k.a.scale_parameter) return;
      const f32x16 w = get_weight(k.p, lanes, r * k.p.cols + c);
      w2 += w * w;
    });
    updates += sum_f64(u2), weights += sum_f64(w2);
  }
  k.squares[block] = updates, k.squares[k.blocks() + block] = weights;
}

void apply_rows(const Work& k, const FactorRate& rate, std::int64_t begin, std::int64_t end) {
  const std::uint32_t step = k.a.scalars->step;
  for (std::int64_t r = begin; r < end; ++r)
    for_lanes(k.p.cols, [&](auto lanes, std::int64_t c) GT_BODY {
      const std::int64_t i = r * k.p.cols + c;
      const f32x16 w = get_weight(k.p, lanes, i), u = update_of(k, lanes, r, c) * rate.shrink;
      put_weight(k.p, step, lanes, i,
                 fma(fma(splat(k.p.weight_decay), w, u), splat(rate.minus_rate), w));
    });
}

void update(CpuQueue& queue, const Work& k) {
  queue.pool.parallel_for(k.blocks(), [&](std::int64_t n, int) { square_block(k, n); });
  for_blocks(queue, k.p.cols, kColumns,
             [&](std::int64_t begin, std::int64_t end, int) { columns(k, begin, end); });
  row_factors(k);
  queue.pool.parallel_for(k.blocks(), [&](std::int64_t n, int) { sum_block(k, n); });
  const FactorRate rate = factor_rate(k.a, k.p, k.a.scalars->lr, tree_sum(k.squares, k.blocks()),
                                      tree_sum(k.squares + k.blocks(), k.blocks()));
  for_blocks(queue, k.rows, kFactorRows,
             [&](std::int64_t begin, std::int64_t end, int) { apply_rows(k, rate, begin, end); });
}

}  // namespace

void run(CpuQueue& queue, const Adafactor& args) {
  std::int64_t partials = 0, rows = 0, cols = 0, blocks = 0;
  for (std::int64_t i = 0; i < args.count; ++i) {
    const std::int64_t width = args.tensors[i].cols, height = args.tensors[i].numel / width;
    partials = larger(partials, blocks_of(height, kFactorRows) * width);
    blocks = larger(blocks, blocks_of(height, kFactorRows));
    rows = larger(rows, height), cols = larger(cols, width);
  }
  const Scratch sums(queue, (partials + rows + cols) * 4, "adafactor.sums");
  const Scratch squares(queue, 2 * blocks * 8, "adafactor.squares");
  if (queue.pool.dry()) return;
  const float clip = clip_of(args.clip);
  if (clip != clip) return;
  float* const memory = sums.as<float>();
  for (std::int64_t i = 0; i < args.count; ++i) {
    const AdafactorTensor& p = args.tensors[i];
    update(queue, {args, p, clip, p.numel / p.cols, memory, memory + partials,
                   memory + partials + rows, squares.as<double>()});
  }
}

GT_ISA_END

GT_CPU_KERNEL(Adafactor)
