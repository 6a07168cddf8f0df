// Cross-entropy of given logits; and the classifier and its loss in one: logits = x W^T, loss =
// scale * sum of cross-entropies, chunk of rows by chunk of rows, so that the (N, V) logits never
// exist. When a gradient is wanted it is made in the same pass, since the chunk's softmax is at
// hand: dx, and dW summed over the chunks in ascending order. The chunk is a function of the shapes
// and of the kind of device only.

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
#include "ops/loss_node.h"

namespace gigatrain::ops {

namespace {

// Logits held at once: few enough to be small beside a model's memory, enough that the reading of
// the weight and of its gradient, once a chunk, is cheap beside the products.
constexpr std::int64_t kCpuChunk = 32 << 20, kGpuChunk = 256 << 20;
constexpr std::int64_t kRowAlign = 64;  // elements: rows of logits start on whole cache lines

std::int64_t chunk_rows(const Device& device, std::int64_t rows, std::int64_t vocab) {
  const std::int64_t elements = device.is_cpu() ? kCpuChunk : kGpuChunk;
  const std::int64_t fit = std::max<std::int64_t>(elements / vocab / 16 * 16, 16);
  if (rows <= fit) return rows;
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

void check_targets(const char* op, const Tensor& targets, std::int64_t rows, std::int64_t vocab,
                   const CrossEntropyOptions& o) {
  require_dtype(op, "targets", targets, DType::i32);
  require(targets.numel() == rows, op,
          fmt::format("one target a row is expected: {} rows, targets {}", rows,
                      targets.shape().str()));
  require(o.label_smoothing >= 0.0 && o.label_smoothing < 1.0, op,
          fmt::format("label_smoothing must be in [0, 1), got {}", o.label_smoothing));
  require(o.z_loss >= 0.0 && std::isfinite(o.z_loss), op,
          fmt::format("z_loss must be finite and not negative, got {}", o.z_loss));
  if (!targets.device().host_memory()) return;  // there the kernel gives NaN, which ends the step
  const std::int32_t* p = targets.view().as<std::int32_t>();
  for (std::int64_t i = 0; i < targets.numel(); ++i)
    if (p[i] < -1 || p[i] >= vocab)
      throw Error(ErrorCode::data,
                  fmt::format("[{}] target id {} in row {} is outside the vocabulary [0, {}) (-1 "
                              "is ignored)",
                              op, p[i], i, vocab));
}

void check(const Tensor& x, const Tensor& weight, const Tensor& targets,
           const CrossEntropyOptions& options) {
  constexpr const char* kOp = "linear_cross_entropy";
  require_activation(kOp, "x", x);
  require(weight && weight.shape().dims() == 2 && weight.shape()[1] == x.shape()[-1], kOp,
          fmt::format("the weight must be (V, {}), got {}", x.shape()[-1],
                      weight ? weight.shape().str() : "undefined"));
  require_weight(kOp, x.dtype(), weight);
  check_targets(kOp, targets, x.view().rows(), weight.shape()[0], options);
}

kernels::CrossEntropy loss_of(const TensorView& logits, const TensorView& targets,
                              const TensorView& loss, const TensorView& dlogits, double scale,
                              const CrossEntropyOptions& o) {
  return {.logits = logits,
          .targets = targets,
          .loss = loss,
          .dlogits = dlogits,
          .scale = static_cast<float>(scale),
          .label_smoothing = static_cast<float>(o.label_smoothing),
          .z_loss = static_cast<float>(o.z_loss)};
}

}  // namespace

Tensor cross_entropy(const Tensor& logits_in, const Tensor& targets_in, double scale,
                     const CrossEntropyOptions& options) {
  constexpr const char* kOp = "cross_entropy";
  require_floating(kOp, "logits", logits_in);
  require(logits_in.shape().dims() > 0 && logits_in.numel() > 0, kOp,
          fmt::format("logits must be (..., V), got {}", logits_in.shape().str()));
  const std::int64_t n = logits_in.view().rows(), v = logits_in.view().cols();
  check_targets(kOp, targets_in, n, v, options);
  if (logits_in.dtype() == DType::f64)
    return composed::cross_entropy(logits_in, targets_in, scale, options);
  require_activation(kOp, "logits", logits_in);
  const Tensor logits = contiguous(logits_in), targets = contiguous(targets_in);
  const bool record = grad_needed({logits});
  Tensor dlogits;
  if (record) dlogits = empty_like(logits, "cross_entropy.dlogits");
  const Tensor losses =
      Tensor::empty(logits.device(), {n}, DType::f32, {Purpose::workspace, "losses"});
  const TensorView z = rows_of(logits.view(), 0, n),
                   dz = record ? rows_of(dlogits.view(), 0, n) : TensorView{};
  logits.stream().submit(
      loss_of(z, elements_of(targets.view(), 0, n), losses.view(), dz, scale, options));
  Tensor loss = sum(losses);
  if (record) keep_gradients(kOp, {logits}, {dlogits}, loss);
  return loss;
}

Tensor linear_cross_entropy(const Tensor& x_in, const Tensor& weight, const Tensor& targets_in,
                            double scale, const CrossEntropyOptions& options) {
  check(x_in, weight, targets_in, options);
  const Tensor x = contiguous(x_in), targets = contiguous(targets_in);
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
    stream.submit(loss_of(real, elements_of(targets.view(), begin, count),
                          elements_of(losses.view(), begin, count), record ? real : TensorView{},
                          scale, options));
    if (!record) continue;
    stream.submit(kernels::Gemm{.a = z, .b = w.view(), .c = rows_of(dx.view(), begin, count)});
    stream.submit(kernels::Gemm{
        .a = z, .b = x_chunk, .c = dweight.view(), .trans_a = true, .accumulate = begin > 0});
  }
  Tensor loss = sum(losses);
  if (record)
    keep_gradients("linear_cross_entropy", {x, weight}, {dx, slice(dweight, 0, 0, v)}, loss);
  return loss;
}

namespace composed {

// The target distributions of the rows, zero in the rows that are ignored.
static std::vector<double> wanted(const std::vector<std::int64_t>& ids, std::int64_t v,
                                  double smoothing) {
  std::vector<double> p(ids.size() * static_cast<std::size_t>(v));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0) continue;
    double* row = p.data() + i * static_cast<std::size_t>(v);
    std::fill(row, row + v, smoothing / static_cast<double>(v));
    row[ids[i]] += 1.0 - smoothing;
  }
  return p;
}

Tensor cross_entropy(const Tensor& logits_in, const Tensor& targets, double factor,
                     const CrossEntropyOptions& options) {
  const std::int64_t n = logits_in.view().rows(), v = logits_in.view().cols();
  const Tensor logits = reshape(logits_in, {n, v}), log_p = log_softmax(logits);
  const auto ids = targets.to_vector<std::int64_t>();
  const auto constant = [&](const Shape& shape, const std::vector<double>& values) {
    return cast(Tensor::from<double>(logits.device(), shape, values), logits.dtype());
  };
  const Tensor p = constant({n, v}, wanted(ids, v, options.label_smoothing));
  const Tensor loss = scale(sum(mul(log_p, p)), -factor);
  if (options.z_loss == 0.0) return loss;
  std::vector<double> counts(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) counts[i] = ids[i] < 0 ? 0.0 : 1.0;
  const Tensor lse = slice(sub(logits, log_p), 1, 0, 1);  // (N, 1); every column is the same
  const Tensor squares = mul(mul(lse, lse), constant({n, 1}, counts));
  return add(loss, scale(sum(squares), factor * options.z_loss));
}

Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                            double factor, const CrossEntropyOptions& options) {
  const Tensor rows = reshape(x, {x.view().rows(), x.view().cols()});
  return composed::cross_entropy(matmul(rows, transpose(weight, 0, 1)), targets, factor, options);
}

}  // namespace composed

}  // namespace gigatrain::ops
