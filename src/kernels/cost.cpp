// What one call of each kernel must move and compute, from its arguments alone: the yardstick of
// `gigatrain bench`. Exponentials and random words are those of the arithmetic, not of how a kernel
// does it: a tanh, a sigmoid or a logarithm counts as one exponential.

#include <algorithm>
#include <initializer_list>
#include <numeric>

#include "gigatrain/runtime/stream.h"
#include "kernels/streamed.h"
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

KernelCost moves(std::initializer_list<TensorView> in, std::initializer_list<TensorView> out) {
  return {.read = bytes(in), .written = bytes(out)};
}

// Of gradients that are written, or read and written.
KernelCost with_gradients(KernelCost cost, std::initializer_list<TensorView> gradients,
                          bool accumulate) {
  cost.written += bytes(gradients);
  if (accumulate) cost.read += bytes(gradients);
  return cost;
}

KernelCost with_exps(KernelCost cost, std::int64_t exps) {
  cost.exps = static_cast<double>(exps);
  return cost;
}

KernelCost with_dropout(KernelCost cost, const DropoutArgs& dropout, const TensorView& dropped) {
  if (dropout) cost.random = static_cast<double>(dropped.numel());
  return cost;
}

using Stores = KernelCost::Stores;

// Of an output that the CPU's kernel streams if it is large.
KernelCost streaming(KernelCost cost) {
  if (is_streamed(cost.written)) cost.stores = Stores::streamed;
  return cost;
}

KernelCost in_place_if(bool same, KernelCost cost) {
  if (same) cost.stores = Stores::in_place;
  return cost;
}

template <class Args>
KernelCost binary(const Args& a) {
  return in_place_if(a.y.data == a.a.data || a.y.data == a.b.data, moves({a.a, a.b}, {a.y}));
}
template <class Args>
KernelCost unary(const Args& a) {
  return in_place_if(a.y.data == a.x.data, moves({a.x}, {a.y}));
}
template <class Args>
KernelCost unary_exp(const Args& a) {
  return with_exps(unary(a), a.y.numel());
}

// Of a tensor in an optimizer's call, its state aside: the gradient is read, the weight read and
// written, its 16-bit copy written, or read and written where it is the weight.
void add_weight(KernelCost& cost, const auto& t) {
  cost.read += t.numel * (4 + (t.weight ? 4 : 2));
  cost.written += t.numel * ((t.weight ? 4 : 0) + (t.compute ? 2 : 0));
  if (!t.weight) cost.random += static_cast<double>(t.numel);  // rounds stochastically
}

template <class Args>
KernelCost update(const Args& a) {
  KernelCost cost{.stores = Stores::in_place};
  for (std::int64_t i = 0; i < a.count; ++i) {
    const UpdateTensor& t = a.tensors[i];
    const int states = (t.exp_avg != nullptr) + (t.exp_avg_sq != nullptr);
    add_weight(cost, t);
    cost.read += t.numel * states * 4, cost.written += t.numel * states * 4;
  }
  return cost;
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

#define GT_COST(how, Args)            \
  KernelCost cost_of(const Args& a) { \
    return how(a);                    \
  }
#define GT_BINARY_COST(Args) GT_COST(binary, Args)
GT_EACH_BINARY(GT_BINARY_COST)
GT_EACH_COMPARISON(GT_BINARY_COST)
GT_COST(binary, TanhBackward)
GT_COST(binary, SqrtBackward)
GT_COST(binary, RsqrtBackward)
GT_COST(binary, SigmoidBackward)
GT_COST(binary, ReluBackward)
GT_COST(binary, AbsBackward)
GT_COST(unary, Sqrt)
GT_COST(unary, Rsqrt)
GT_COST(unary, Relu)
GT_COST(unary, Abs)
GT_COST(unary, Scale)
GT_COST(unary, Pow)
GT_COST(unary, Sum)
GT_COST(unary_exp, Exp)
GT_COST(unary_exp, Log)
GT_COST(unary_exp, Tanh)
GT_COST(unary_exp, Sigmoid)
GT_COST(unary_exp, Silu)
GT_COST(unary_exp, GeluForward)

KernelCost cost_of(const SiluBackward& a) {
  return with_exps(binary(a), a.y.numel());
}
KernelCost cost_of(const Where& a) {
  return moves({a.mask, a.a, a.b}, {a.y});
}
KernelCost cost_of(const Copy& a) {
  return streaming(unary(a));
}
KernelCost cost_of(const Fill& a) {
  return streaming({.written = bytes(a.y)});
}
KernelCost cost_of(const GeluBackward& a) {
  return in_place_if(a.dx.data == a.dy.data || a.dx.data == a.x.data,
                     with_exps(moves({a.x, a.dy}, {a.dx}), a.dx.numel()));
}
KernelCost cost_of(const BiasGradient& a) {
  return with_gradients(moves({a.dy}, {}), {a.dbias}, a.accumulate);
}
KernelCost cost_of(const Dropout& a) {
  return in_place_if(a.y.data == a.x.data,
                     with_dropout(moves({a.x, a.residual}, {a.y}), a.dropout, a.y));
}

// Rows that are read twice come from a cache the second time.
KernelCost cost_of(const SoftmaxForward& a) {
  return unary_exp(a);
}
KernelCost cost_of(const SoftmaxBackward& a) {
  return in_place_if(a.dx.data == a.dy.data || a.dx.data == a.y.data,
                     with_exps(moves({a.y, a.dy}, {a.dx}), a.log ? a.dx.numel() : 0));
}

KernelCost cost_of(const Gather& a) {
  const std::int64_t picked = std::min(bytes(a.x), bytes(a.y));
  return {.read = bytes(a.index) + picked, .written = bytes(a.y)};
}
KernelCost cost_of(const ScatterAdd& a) {
  return with_gradients(moves({a.index, a.dy}, {}), {a.dx}, a.accumulate);
}
KernelCost cost_of(const TopK& a) {
  return moves({a.x}, {a.values, a.indices});
}

KernelCost cost_of(const SquareSums& a) {
  KernelCost cost;
  for (std::int64_t i = 0; i < a.count; ++i) {
    cost.read += a.tensors[i].numel * 4;
    cost.written += scalar_chunks(a.tensors[i].numel) * 8;
  }
  return cost;
}

KernelCost cost_of(const NormOfChunks& a) {
  const std::int64_t chunks = std::accumulate(a.chunks_of, a.chunks_of + a.count, std::int64_t{0});
  return {.read = chunks * (a.order ? 16 : 8) + a.guard_count * 4, .written = 2 * 8};
}

KernelCost cost_of(const TreeSum& a) {
  const auto *end = a.x + a.count, *then_end = a.then + a.then_count;
  return in_place_if(
      std::find(a.x, end, a.y) != end || std::find(a.then, then_end, a.y) != then_end,
      {.read = (a.count + a.then_count) * a.numel * 4, .written = a.numel * 4});
}

KernelCost cost_of(const Digest& a) {
  return {.read = bytes(a.x), .written = 8};
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
  KernelCost cost{.stores = Stores::in_place};
  for (std::int64_t i = 0; i < a.count; ++i) {
    const std::int64_t numel = a.tensors[i].numel, blocks = (numel + kStateBlock - 1) / kStateBlock;
    add_weight(cost, a.tensors[i]);
    cost.read += 2 * (numel + blocks * 4), cost.written += 2 * (numel + blocks * 4);
  }
  return cost;
}

KernelCost cost_of(const Adafactor& a) {
  KernelCost cost{.stores = Stores::in_place};
  for (std::int64_t i = 0; i < a.count; ++i) {
    const AdafactorTensor& t = a.tensors[i];
    const std::int64_t rows = t.row ? t.numel / t.cols : 0;
    add_weight(cost, t);
    cost.read += (rows + t.cols) * 4, cost.written += (rows + t.cols) * 4;
    // The gradient is read for its means, for the size of the update, and for the update.
    cost.again += t.numel * 4 * (a.scale_parameter ? 3 : 2);
  }
  return cost;
}

KernelCost cost_of(const LayerNormForward& a) {
  return with_dropout(moves({a.x, a.delta, a.weight, a.bias}, {a.sum, a.y, a.mean, a.rstd}),
                      a.dropout, a.delta);
}

KernelCost cost_of(const LayerNormBackward& a) {
  // Rows that no block holds: a second kernel reads s and dy for the parameters' gradients.
  const std::int64_t columns = a.s.cols();
  const bool held = columns <= 8192 && columns * size_of(a.s.dtype) % 16 == 0;  // norm_rows.cuh
  KernelCost cost =
      with_gradients(moves({a.s, a.weight, a.mean, a.rstd, a.dy, a.dresidual}, {a.dsum, a.ddelta}),
                     {a.dweight, a.dbias}, a.accumulate);
  if (!held && (a.dweight || a.dbias)) cost.again = bytes({a.s, a.dy});
  return with_dropout(cost, a.dropout, a.ddelta);
}

KernelCost cost_of(const SwigluForward& a) {
  return with_exps(moves({a.gate, a.up}, {a.y}), a.y.numel());
}
KernelCost cost_of(const SwigluBackward& a) {
  return with_exps(moves({a.gate, a.up, a.dy}, {a.dgate, a.dup}), a.dy.numel());
}

// Heads that are not rotated only count where they must be copied.
KernelCost cost_of(const RopeForward& a) {
  const std::int64_t all = a.x.shape[2], rotated = a.q_heads + a.k_heads;
  const std::int64_t touched = bytes(a.x) / all * (a.x.data == a.y.data ? rotated : all);
  const std::int64_t more = bytes({a.q_weight, a.k_weight, a.angles.positions});
  return in_place_if(a.x.data == a.y.data, {.read = touched + more, .written = touched});
}
KernelCost cost_of(const RopeBackward& a) {
  const std::int64_t all = a.dy.shape[2], rotated = a.q_heads + a.k_heads;
  const std::int64_t touched = bytes(a.dy) / all * (a.dy.data == a.dx.data ? rotated : all);
  const std::int64_t normed = (a.q_weight ? a.q_heads : 0) + (a.k_weight ? a.k_heads : 0);
  const KernelCost cost{.read = touched + bytes(a.x) / all * normed +
                                bytes({a.q_weight, a.k_weight, a.angles.positions}),
                        .written = touched};
  return in_place_if(a.dy.data == a.dx.data,
                     with_gradients(cost, {a.dq_weight, a.dk_weight}, a.accumulate));
}
KernelCost cost_of(const Im2col& a) {
  return moves({a.x}, {a.columns});
}
KernelCost cost_of(const Col2im& a) {
  return moves({a.columns}, {a.dx});
}
KernelCost cost_of(const ChannelSum& a) {
  return with_gradients(moves({a.x}, {}), {a.y}, a.accumulate);
}
KernelCost cost_of(const GroupNormForward& a) {
  return moves({a.x, a.weight, a.bias}, {a.y, a.mean, a.rstd});
}
KernelCost cost_of(const GroupNormBackward& a) {
  return moves({a.x, a.weight, a.mean, a.rstd, a.dy}, {a.dx, a.dweight, a.dbias});
}

KernelCost cost_of(const EmbeddingForward& a) {
  const std::int64_t row = a.table.cols() * size_of(a.table.dtype), places = a.tokens.numel();
  const std::int64_t positions = a.positions ? a.tokens.cols() * row : 0;
  const KernelCost cost{
      .read = bytes(a.tokens) + std::min(places, a.table.rows()) * row + positions,
      .written = bytes(a.out)};
  return with_dropout(cost, a.dropout, a.out);
}

KernelCost cost_of(const EmbeddingBackward& a) {
  KernelCost cost = with_gradients(moves({a.tokens, a.dout}, {}), {a.dtable}, a.accumulate_table);
  if (a.dtable)
    cost.stores = a.accumulate_table             ? Stores::in_place
                  : is_streamed(bytes(a.dtable)) ? Stores::streamed
                                                 : Stores::ordinary;
  if (a.dtable && a.dpositions) cost.again = bytes(a.dout);  // a kernel for each table
  return with_dropout(with_gradients(cost, {a.dpositions}, a.accumulate_positions), a.dropout,
                      a.dout);
}

KernelCost cost_of(const CrossEntropy& a) {
  // A block reads its row twice, the second time from the second cache, where the rows in work (two
  // blocks on each multiprocessor) fit up to about this size.
  constexpr std::int64_t kCachedRow = 128 << 10;
  const bool cached = a.logits.cols() * size_of(a.logits.dtype) <= kCachedRow;
  KernelCost cost = moves({a.logits, a.targets}, {a.loss, a.dlogits});
  if (a.dlogits && !cached) cost.again = bytes(a.logits);
  return in_place_if(a.dlogits.data == a.logits.data, with_exps(cost, a.logits.numel()));
}

KernelCost cost_of(const PointwiseLoss& a) {
  const bool bce = a.term == PointwiseTerm::bce;  // an exponential and a logarithm
  return with_exps(moves({a.x, a.target}, {a.loss, a.dx}), bce ? 2 * a.x.numel() : 0);
}

KernelCost cost_of(const AttentionForward& a) {
  KernelCost cost = moves({a.q, a.k, a.v, a.mask, a.segments}, {a.out, a.lse});
  cost.exps = seen_pairs(a);
  cost.flops = 2 * 2 * cost.exps * static_cast<double>(a.q.shape[3]);
  cost.library = true;
  return cost;
}

KernelCost cost_of(const AttentionBackward& a) {
  KernelCost cost =
      moves({a.q, a.k, a.v, a.out, a.lse, a.dout, a.mask, a.segments}, {a.dq, a.dk, a.dv});
  cost.exps = seen_pairs(a);
  cost.flops = 5 * 2 * cost.exps * static_cast<double>(a.q.shape[3]);
  cost.library = true;
  return cost;
}

KernelCost cost_of(const Gemm& a) {
  const auto k = static_cast<double>(a.a.shape[a.trans_a ? -2 : -1]);
  KernelCost cost = with_gradients(moves({a.a, a.b, a.bias}, {a.pre}), {a.c}, a.accumulate);
  cost.flops = 2 * static_cast<double>(a.c.numel()) * k;
  cost.read += a.onto_count * bytes(a.c);
  if (a.gelu) cost.exps = static_cast<double>(a.c.numel());
  cost.library = true;
  return cost;
}

}  // namespace gigatrain::kernels
