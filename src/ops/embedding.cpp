// Token and position embedding with dropout (kernels/embedding.h).

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

// saved: tokens; inputs: table, positions
struct EmbeddingNode : Node {
  std::int64_t first_position;
  DropoutArgs drop;
  EmbeddingNode(std::int64_t p, const DropoutArgs& d)
      : Node("embedding"), first_position(p), drop(d) {}

  void backward(Backward& b) override {
    const Tensor dout = contiguous(b.dout());
    kernels::EmbeddingBackward args{.tokens = saved(0).view(),
                                    .dout = dout.view(),
                                    .first_position = first_position,
                                    .dropout = drop};
    if (b.wanted(0)) set(b, 0, args.dtable, args.accumulate_table);
    if (b.wanted(1)) set(b, 1, args.dpositions, args.accumulate_positions);
    b.stream().submit(args);
    if (b.wanted(0)) finish(b, 0, args.dtable);
    if (b.wanted(1)) finish(b, 1, args.dpositions);
  }

 private:
  // The kernel sums in f32: straight into a leaf, through a buffer into a bf16 gradient.
  void set(Backward& b, int input, TensorView& slot, bool& accumulate) {
    const auto sums = b.sums(input, 1);
    const auto to = sums.empty() ? b.target(input) : Backward::Target{sums.front().view(), true};
    slot = to.view;
    accumulate = to.accumulate;
    if (to.view.dtype == DType::f32) return;
    rounded_[input] = to.view;
    sums_[input] =
        Tensor::empty(b.device(), to.view.shape, DType::f32, {Purpose::workspace, "dtable"});
    slot = sums_[input].view();
  }
  void finish(Backward& b, int input, const TensorView& slot) {
    if (rounded_[input]) b.stream().submit(kernels::Copy{.x = slot, .y = rounded_[input]});
  }
  TensorView rounded_[2];
  Tensor sums_[2];
};

void check_tokens(const Tensor& tokens, std::int64_t vocab) {
  if (!tokens.device().host_memory()) return;  // there the kernel gives NaN, which ends the step
  const std::int32_t* p = tokens.view().as<std::int32_t>();
  const std::int64_t t_size = tokens.shape()[1];
  for (std::int64_t i = 0; i < tokens.numel(); ++i)
    if (p[i] < 0 || p[i] >= vocab)
      throw Error(ErrorCode::data,
                  fmt::format("[embedding] token id {} at (sample {}, position {}) is outside the "
                              "vocabulary [0, {})",
                              p[i], i / t_size, i % t_size, vocab),
                  "check that the data was made with this model's tokenizer "
                  "(gigatrain data inspect)");
}

void check(const Tensor& tokens, const Tensor& table, const Tensor& positions,
           std::int64_t first_position, DType dtype) {
  require_activation("embedding", "table", table);
  require_weight("embedding", dtype, table);
  require(table.shape().dims() == 2, "embedding",
          fmt::format("the table must be (V, C), got {}", table.shape().str()));
  require_dtype("embedding", "tokens", tokens, DType::i32);
  require(tokens.shape().dims() == 2, "embedding",
          fmt::format("tokens must be (B, T), got {}", tokens.shape().str()));
  check_tokens(tokens, table.shape()[0]);
  if (!positions) return;
  require_same_dtype("embedding", table, positions);
  require(
      positions.shape().dims() == 2 && positions.shape()[1] == table.shape()[1], "embedding",
      fmt::format("positions must be (P, {}), got {}", table.shape()[1], positions.shape().str()));
  require(first_position >= 0 && first_position + tokens.shape()[1] <= positions.shape()[0],
          "embedding",
          fmt::format("{} positions from {} do not fit the model's {}", tokens.shape()[1],
                      first_position, positions.shape()[0]));
}

}  // namespace

Tensor embedding(const Tensor& tokens_in, const Tensor& table, const Tensor& positions,
                 std::int64_t first_position, const DropoutArgs& drop,
                 std::optional<DType> out_dtype) {
  const Tensor tokens =
      tokens_in && !tokens_in.view().is_contiguous() ? contiguous(tokens_in) : tokens_in;
  const DType dtype = out_dtype.value_or(table.dtype());
  check(tokens, table, positions, first_position, dtype);
  Tensor out =
      Tensor::empty(table.device(), {tokens.shape()[0], tokens.shape()[1], table.shape()[1]}, dtype,
                    {Purpose::activations, "embedding"});
  table.stream().submit(
      kernels::EmbeddingForward{.tokens = tokens.view(),
                                .table = table.view(),
                                .positions = positions ? positions.view() : TensorView{},
                                .out = out.view(),
                                .first_position = first_position,
                                .dropout = drop});
  if (grad_needed({table, positions})) {
    auto node = std::make_shared<EmbeddingNode>(first_position, drop);
    node->save({tokens});
    Node::connect(node, {table, positions}, {&out});
  }
  return out;
}

Tensor composed::embedding(const Tensor& tokens, const Tensor& table, const Tensor& positions,
                           std::int64_t first_position, const DropoutArgs& drop) {
  const std::int64_t n = tokens.numel(), v = table.shape()[0], t_size = tokens.shape()[1];
  const auto ids = tokens.to_vector<std::int64_t>();
  std::vector<double> token_hot(static_cast<std::size_t>(n * v));
  for (std::int64_t i = 0; i < n; ++i)
    token_hot[static_cast<std::size_t>(i * v + ids[static_cast<std::size_t>(i)])] = 1.0;
  Tensor y =
      matmul(cast(Tensor::from<double>(table.device(), {n, v}, token_hot), table.dtype()), table);
  if (positions) {
    const std::int64_t p = positions.shape()[0];
    std::vector<double> hot(static_cast<std::size_t>(n * p));
    for (std::int64_t i = 0; i < n; ++i)
      hot[static_cast<std::size_t>(i * p + first_position + i % t_size)] = 1.0;
    y = add(y, matmul(cast(Tensor::from<double>(table.device(), {n, p}, hot), table.dtype()),
                      positions));
  }
  return composed::dropout(reshape(y, {tokens.shape()[0], t_size, table.shape()[1]}), drop);
}

}  // namespace gigatrain::ops
