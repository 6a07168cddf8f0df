// The classifier and its loss in one: logits = x W^T, loss = scale * sum of cross-entropies, chunk
// of rows by chunk of rows, so that the (N, V) logits never exist. When a gradient is wanted it is
// made in the same pass, since the chunk's softmax is at hand: dx, and dW summed over the chunks in
// ascending order. The chunk is a function of the shapes and of the kind of device only.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

// Logits held at once: few enough for a CPU's caches, enough to keep a GPU busy.
constexpr std::int64_t kCpuChunk = 4 << 20, kGpuChunk = 256 << 20;
constexpr std::int64_t kRowAlign = 64;  // elements: rows of logits start on whole cache lines

std::int64_t chunk_rows(const Device& device, std::int64_t rows, std::int64_t vocab) {
  const std::int64_t elements = device.is_cpu() ? kCpuChunk : kGpuChunk;
  const std::int64_t fit = std::max<std::int64_t>(elements / vocab / 16 * 16, 16);
  if (device.is_cpu() || rows <= fit) return std::min(fit, rows);
  const std::int64_t chunks = ceil_div(rows, fit);
  return round_up(ceil_div(rows, chunks), 16);  // all but the last of one size
}

// A GPU's matrix units want sizes that are multiples of 8: products with V = 50257 run at an eighth
// of the rate of 50304 (docs/benchmarks.md). So there the products see rows of zeros behind W; they
// add zeros to dx, and nobody reads what they make of dW.
std::int64_t product_vocab(const Device& device, std::int64_t vocab) {
  return device.is_cpu() ? vocab : round_up(vocab, kRowAlign);
}

Tensor with_zero_rows(const Tensor& weight, std::int64_t rows) {
  const std::int64_t v = weight.shape()[0];
  if (rows == v) return weight;
  Tensor padded = Tensor::empty(weight.device(), {rows, weight.shape()[1]}, weight.dtype(),
                                {Purpose::workspace, "cross_entropy.weight"});
  weight.stream().submit(kernels::Copy{.x = weight.view(), .y = slice(padded, 0, 0, v).view()});
  weight.stream().submit(kernels::Fill{.y = slice(padded, 0, v, rows).view(), .value = 0.0});
  return padded;
}

// The first columns of `count` padded rows.
TensorView corner(const TensorView& padded, std::int64_t count, std::int64_t columns) {
  TensorView v = padded;
  v.shape = {count, columns};
  return v;
}

TensorView rows_of(const TensorView& x, std::int64_t begin, std::int64_t count) {
  TensorView v(x.data, x.dtype, {count, x.cols()});
  v.data = static_cast<char*>(x.data) + begin * x.cols() * size_of(x.dtype);
  return v;
}

TensorView elements_of(const TensorView& x, std::int64_t begin, std::int64_t count) {
  return TensorView(static_cast<char*>(x.data) + begin * size_of(x.dtype), x.dtype, {count});
}

// saved: dx, dW for an incoming gradient of one
struct CrossEntropyNode : Node {
  CrossEntropyNode() : Node("linear_cross_entropy") {}
  void backward(Backward& b) override {
    for (int input = 0; input < 2; ++input) {
      if (!b.wanted(input)) continue;
      const Tensor& gradient = saved(input);
      b.give(input, b.is_one() ? gradient : mul(gradient, cast(b.dout(), gradient.dtype())));
    }
  }
};

void check(const Tensor& x, const Tensor& weight, const Tensor& targets) {
  constexpr const char* kOp = "linear_cross_entropy";
  require_activation(kOp, "x", x);
  require(weight && weight.shape().dims() == 2 && weight.shape()[1] == x.shape()[-1], kOp,
          fmt::format("the weight must be (V, {}), got {}", x.shape()[-1],
                      weight ? weight.shape().str() : "undefined"));
  require_same_dtype(kOp, x, weight);
  require_dtype(kOp, "targets", targets, DType::i32);
  require(targets.numel() == x.view().rows(), kOp,
          fmt::format("one target a row is expected: {} rows, targets {}", x.view().rows(),
                      targets.shape().str()));
  if (!targets.device().host_memory()) return;  // there the kernel gives NaN, which ends the step
  const std::int32_t* p = targets.view().as<std::int32_t>();
  for (std::int64_t i = 0; i < targets.numel(); ++i)
    if (p[i] < -1 || p[i] >= weight.shape()[0])
      throw Error(
          ErrorCode::data,
          fmt::format("[{}] target id {} in row {} is outside the vocabulary [0, {}) (-1 is "
                      "ignored)",
                      kOp, p[i], i, weight.shape()[0]));
}

}  // namespace

Tensor linear_cross_entropy(const Tensor& x_in, const Tensor& weight, const Tensor& targets,
                            double scale) {
  check(x_in, weight, targets);
  const Tensor x = contiguous(x_in);
  Device& device = x.device();
  Stream& stream = device.stream();
  const std::int64_t n = x.view().rows(), v = weight.shape()[0], rows = chunk_rows(device, n, v);
  const std::int64_t wide = product_vocab(device, v);
  const Tensor w = with_zero_rows(weight.detach(), wide);
  const bool record = grad_needed({x, weight});
  Tensor dx, dweight;
  if (record) {
    dx = empty_like(x, "cross_entropy.dx");
    dweight = Tensor::empty(device, {wide, weight.shape()[1]}, DType::f32,
                            {Purpose::gradients, "cross_entropy.dw"});
  }
  const Tensor losses = Tensor::empty(device, {n}, DType::f32, {Purpose::workspace, "losses"});
  const Tensor logits = Tensor::empty(device, {rows, round_up(v, kRowAlign)}, x.dtype(),
                                      {Purpose::workspace, "logits"});
  for (std::int64_t begin = 0; begin < n; begin += rows) {
    const std::int64_t count = std::min(rows, n - begin);
    const TensorView x_chunk = rows_of(x.view(), begin, count),
                     z = corner(logits.view(), count, wide), real = corner(logits.view(), count, v);
    stream.submit(kernels::Gemm{.a = x_chunk, .b = w.view(), .c = z, .trans_b = true});
    stream.submit(kernels::CrossEntropy{.logits = real,
                                        .targets = elements_of(targets.view(), begin, count),
                                        .loss = elements_of(losses.view(), begin, count),
                                        .dlogits = record ? real : TensorView{},
                                        .scale = static_cast<float>(scale)});
    if (!record) continue;
    stream.submit(kernels::Gemm{.a = z, .b = w.view(), .c = rows_of(dx.view(), begin, count)});
    stream.submit(kernels::Gemm{
        .a = z, .b = x_chunk, .c = dweight.view(), .trans_a = true, .accumulate = begin > 0});
  }
  Tensor loss = sum(losses);
  if (record) {
    dweight = slice(dweight, 0, 0, v);
    auto node = std::make_shared<CrossEntropyNode>();
    node->save({dx, dweight});
    Node::connect(node, {x, weight}, {&loss});
  }
  return loss;
}

Tensor composed::linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                                      double factor) {
  const std::int64_t n = x.view().rows(), v = weight.shape()[0];
  const Tensor logits = matmul(reshape(x, {n, x.view().cols()}), transpose(weight, 0, 1));
  const auto ids = targets.to_vector<std::int64_t>();
  std::vector<double> hot(static_cast<std::size_t>(n * v));
  for (std::int64_t i = 0; i < n; ++i)
    if (const auto id = ids[static_cast<std::size_t>(i)]; id >= 0)
      hot[static_cast<std::size_t>(i * v + id)] = 1.0;
  const Tensor picked = cast(Tensor::from<double>(x.device(), {n, v}, hot), x.dtype());
  const Tensor log_p = log(composed::softmax(logits));
  return scale(sum(mul(log_p, picked)), -factor);
}

}  // namespace gigatrain::ops
