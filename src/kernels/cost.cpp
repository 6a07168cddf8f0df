// What one call of each kernel must move and compute, from its arguments alone: the yardstick of
// `gigatrain bench`.

#include <algorithm>
#include <initializer_list>

#include "gigatrain/runtime/stream.h"
#include "kernels/table.h"

namespace gigatrain::kernels {

namespace {

// Bytes of the distinct elements of a view; a dim of stride 0 repeats one. 0 for no view.
std::int64_t bytes(const TensorView& v) {
  if (!v) return 0;
  std::int64_t elements = 1;
  for (int d = 0; d < v.shape.dims(); ++d)
    if (v.strides[static_cast<std::size_t>(d)] != 0) elements *= v.shape[d];
  return elements * size_of(v.dtype);
}

std::int64_t bytes(std::initializer_list<TensorView> views) {
  std::int64_t total = 0;
  for (const auto& v : views) total += bytes(v);
  return total;
}

// Of a gradient that is written, or read and written.
std::int64_t updated(const TensorView& v, bool accumulate) {
  return bytes(v) * (accumulate ? 2 : 1);
}

template <class Args>
KernelCost binary(const Args& a) {
  return {.least = bytes({a.a, a.b, a.y})};
}
template <class Args>
KernelCost unary(const Args& a) {
  return {.least = bytes({a.x, a.y})};
}

// Of a tensor in an optimizer's call, its state aside: the gradient is read, the weight read and
// written, its bf16 copy written.
std::int64_t weight_bytes(const auto& t) {
  return t.numel * (4 + (t.weight ? 2 * 4 : 0) + (t.compute ? (t.weight ? 2 : 4) : 0));
}

template <class Args>
KernelCost update(const Args& a) {
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < a.count; ++i) {
    const UpdateTensor& t = a.tensors[i];
    const int states = (t.exp_avg != nullptr) + (t.exp_avg_sq != nullptr);
    total += weight_bytes(t) + t.numel * states * 2 * 4;
  }
  return {.least = total};
}

// Queries times the keys that they see, over all heads and sequences.
template <class Args>
double seen_pairs(const Args& a) {
  const auto pairs = [&](std::int64_t queries, std::int64_t keys) {
    const auto tq = static_cast<double>(queries), tk = static_cast<double>(keys);
    return tq * (a.causal ? tk - (tq - 1) / 2 : tk);
  };
  double sum = 0;
  for (std::int64_t i = 0; i < a.sequences; ++i) {
    const std::int64_t n = a.offsets[i + 1] - a.offsets[i];
    sum += pairs(n, n);
  }
  if (!a.offsets) sum = static_cast<double>(a.q.shape[0]) * pairs(a.q.shape[1], a.k.shape[1]);
  return sum * static_cast<double>(a.q.shape[2]);
}

}  // namespace

#define GT_BINARY_COST(Args)          \
  KernelCost cost_of(const Args& a) { \
    return binary(a);                 \
  }
#define GT_UNARY_COST(Args)           \
  KernelCost cost_of(const Args& a) { \
    return unary(a);                  \
  }
GT_EACH_BINARY(GT_BINARY_COST)
GT_EACH_UNARY_BACKWARD(GT_BINARY_COST)
GT_EACH_COMPARISON(GT_BINARY_COST)
GT_EACH_UNARY(GT_UNARY_COST)
GT_UNARY_COST(Scale)
GT_UNARY_COST(Pow)

KernelCost cost_of(const Where& a) {
  return {.least = bytes({a.mask, a.a, a.b, a.y})};
}
KernelCost cost_of(const Copy& a) {
  return unary(a);
}
KernelCost cost_of(const Fill& a) {
  return {.least = bytes(a.y)};
}
KernelCost cost_of(const Sum& a) {
  return unary(a);
}
KernelCost cost_of(const GeluForward& a) {
  return unary(a);
}
KernelCost cost_of(const GeluBackward& a) {
  return {.least = bytes({a.x, a.dy, a.dx})};
}
KernelCost cost_of(const BiasGradient& a) {
  return {.least = bytes(a.dy) + updated(a.dbias, a.accumulate)};
}
KernelCost cost_of(const Dropout& a) {
  return {.least = bytes({a.x, a.residual, a.y})};
}

// Rows that are read twice come from a cache the second time.
KernelCost cost_of(const SoftmaxForward& a) {
  return unary(a);
}
KernelCost cost_of(const SoftmaxBackward& a) {
  return {.least = bytes({a.y, a.dy, a.dx})};
}

KernelCost cost_of(const Gather& a) {
  const std::int64_t picked = std::min(bytes(a.x), bytes(a.y));
  return {.least = bytes({a.index, a.y}) + picked};
}
KernelCost cost_of(const ScatterAdd& a) {
  return {.least = bytes({a.index, a.dy}) + updated(a.dx, a.accumulate)};
}
KernelCost cost_of(const TopK& a) {
  return {.least = bytes({a.x, a.values, a.indices})};
}

KernelCost cost_of(const GlobalNorm& a) {
  std::int64_t elements = a.guard_count;
  for (std::int64_t i = 0; i < a.count; ++i) elements += a.tensors[i].numel;
  return {.least = elements * 4 + 2 * 8};
}

KernelCost cost_of(const Digest& a) {
  return {.least = bytes(a.x) + 8};
}

KernelCost cost_of(const AdamW& a) {
  return update(a);
}
KernelCost cost_of(const Sgd& a) {
  return update(a);
}
KernelCost cost_of(const Lion& a) {
  return update(a);
}

KernelCost cost_of(const AdamW8bit& a) {
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < a.count; ++i) {
    const std::int64_t blocks = (a.tensors[i].numel + kStateBlock - 1) / kStateBlock;
    total += weight_bytes(a.tensors[i]) + 2 * 2 * (a.tensors[i].numel + blocks * 4);
  }
  return {.least = total};
}

KernelCost cost_of(const Adafactor& a) {
  KernelCost cost;
  for (std::int64_t i = 0; i < a.count; ++i) {
    const AdafactorTensor& t = a.tensors[i];
    const std::int64_t rows = t.row ? t.numel / t.cols : 0;
    cost.least += weight_bytes(t) + (rows + t.cols) * 2 * 4;
    // The gradient is read for its means, for the size of the update, and for the update.
    cost.again += t.numel * 4 * (a.scale_parameter ? 3 : 2);
  }
  return cost;
}

KernelCost cost_of(const LayerNormForward& a) {
  return {.least = bytes({a.x, a.delta, a.weight, a.bias, a.sum, a.y, a.mean, a.rstd})};
}

KernelCost cost_of(const LayerNormBackward& a) {
  // Rows that no block holds: a second kernel reads s and dy for the parameters' gradients.
  const std::int64_t columns = a.s.cols();
  const bool held = columns <= 8192 && columns * size_of(a.s.dtype) % 16 == 0;  // norm_rows.cuh
  return {.least = bytes({a.s, a.weight, a.mean, a.rstd, a.dy, a.dresidual, a.dsum, a.ddelta}) +
                   updated(a.dweight, a.accumulate) + updated(a.dbias, a.accumulate),
          .again = held || !(a.dweight || a.dbias) ? 0 : bytes({a.s, a.dy})};
}

KernelCost cost_of(const SwigluForward& a) {
  return {.least = bytes({a.gate, a.up, a.y})};
}
KernelCost cost_of(const SwigluBackward& a) {
  return {.least = bytes({a.gate, a.up, a.dy, a.dgate, a.dup})};
}

// Heads that are not rotated only count where they must be copied.
KernelCost cost_of(const RopeForward& a) {
  const std::int64_t all = a.x.shape[2], rotated = a.q_heads + a.k_heads;
  const std::int64_t touched = bytes(a.x) / all * (a.x.data == a.y.data ? rotated : all);
  return {.least = 2 * touched + bytes({a.q_weight, a.k_weight, a.angles.positions})};
}
KernelCost cost_of(const RopeBackward& a) {
  const std::int64_t all = a.dy.shape[2], rotated = a.q_heads + a.k_heads;
  const std::int64_t touched = bytes(a.dy) / all * (a.dy.data == a.dx.data ? rotated : all);
  const std::int64_t normed = (a.q_weight ? a.q_heads : 0) + (a.k_weight ? a.k_heads : 0);
  return {.least = 2 * touched + bytes(a.x) / all * normed +
                   bytes({a.q_weight, a.k_weight, a.angles.positions}) +
                   updated(a.dq_weight, a.accumulate) + updated(a.dk_weight, a.accumulate)};
}
KernelCost cost_of(const Im2col& a) {
  return {.least = bytes({a.x, a.columns})};
}
KernelCost cost_of(const Col2im& a) {
  return {.least = bytes({a.columns, a.dx})};
}
KernelCost cost_of(const ChannelSum& a) {
  return {.least = bytes(a.x) + updated(a.y, a.accumulate)};
}
KernelCost cost_of(const GroupNormForward& a) {
  return {.least = bytes({a.x, a.weight, a.bias, a.y, a.mean, a.rstd})};
}
KernelCost cost_of(const GroupNormBackward& a) {
  return {.least = bytes({a.x, a.weight, a.mean, a.rstd, a.dy, a.dx, a.dweight, a.dbias})};
}

KernelCost cost_of(const EmbeddingForward& a) {
  const std::int64_t row = a.table.cols() * size_of(a.table.dtype), places = a.tokens.numel();
  const std::int64_t positions = a.positions ? a.tokens.cols() * row : 0;
  return {.least = bytes({a.tokens, a.out}) + std::min(places, a.table.rows()) * row + positions};
}

KernelCost cost_of(const EmbeddingBackward& a) {
  return {.least = bytes({a.tokens, a.dout}) + updated(a.dtable, a.accumulate_table) +
                   updated(a.dpositions, a.accumulate_positions),
          .again = a.dtable && a.dpositions ? bytes(a.dout) : 0};  // a kernel for each table
}

KernelCost cost_of(const CrossEntropy& a) {
  // A block reads its row twice, the second time from the second cache, where the rows in work (two
  // blocks on each multiprocessor) fit up to about this size.
  constexpr std::int64_t kCachedRow = 128 << 10;
  const bool cached = a.logits.cols() * size_of(a.logits.dtype) <= kCachedRow;
  return {.least = bytes({a.logits, a.targets, a.loss, a.dlogits}),
          .again = a.dlogits && !cached ? bytes(a.logits) : 0};
}

KernelCost cost_of(const PointwiseLoss& a) {
  return {.least = bytes({a.x, a.target, a.loss, a.dx})};
}

KernelCost cost_of(const AttentionForward& a) {
  return {.least = bytes({a.q, a.k, a.v, a.out, a.lse, a.mask, a.segments}),
          .flops = 2 * 2 * seen_pairs(a) * static_cast<double>(a.q.shape[3]),
          .library = true};
}

KernelCost cost_of(const AttentionBackward& a) {
  return {
      .least = bytes({a.q, a.k, a.v, a.out, a.lse, a.dout, a.dq, a.dk, a.dv, a.mask, a.segments}),
      .flops = 5 * 2 * seen_pairs(a) * static_cast<double>(a.q.shape[3]),
      .library = true};
}

KernelCost cost_of(const Gemm& a) {
  const auto k = static_cast<double>(a.a.shape[a.trans_a ? -2 : -1]);
  return {.least = bytes({a.a, a.b, a.bias, a.pre}) + updated(a.c, a.accumulate),
          .flops = 2 * static_cast<double>(a.c.numel()) * k,
          .library = true};
}

}  // namespace gigatrain::kernels
