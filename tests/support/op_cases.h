// One list of cases for every differentiable op: tests check its value against the composed
// definition and its gradient against central differences; the benchmark times the same cases at
// the size of a real model.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "support/random.h"

namespace gigatrain::test {

using Tensors = std::vector<Tensor>;

struct Input {
  Shape shape;
  bool vector_f32 = false;  // biases and norm weights stay f32 beside bf16 activations
  double offset = 0.0;      // added to values in (-1, 1)
  double factor = 1.0;
};

struct OpCase {
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensors(const Tensors&)> op;
  std::function<Tensors(const Tensors&)> composed;  // empty: the op is basic and runs in f64 itself
  double flops = 0;                                 // of the forward's products; 0: bound by memory
};

// small: a few hundred elements, odd sizes. Otherwise about the shapes of GPT-2 124M, B T = 1024.
struct Sizes {
  std::int64_t b, t, c, heads, kv_heads, vocab, inner;
  static Sizes small() { return {2, 5, 12, 4, 2, 11, 7}; }
  static Sizes model() { return {1, 1024, 768, 12, 12, 50257, 3072}; }
};

inline DropoutArgs test_dropout(const Sizes& s, float rate = 0.3f) {
  return {.rate = rate,
          .key = random_key(3, "dropout", "test"),
          .step = 5,
          .first_sample = 2,
          .rows_per_sample = s.t};
}

inline std::vector<OpCase> basic_cases(const Sizes& s) {
  using namespace ops;
  const Shape x{s.b, s.t, s.c}, row{s.c}, col{s.b, s.t, 1};
  const Input plain{x}, positive{x, false, 2.0};
  const auto unary = [](Tensor (*f)(const Tensor&)) {
    return [f](const Tensors& in) { return Tensors{f(in[0])}; };
  };
  const auto binary = [](Tensor (*f)(const Tensor&, const Tensor&)) {
    return [f](const Tensors& in) { return Tensors{f(in[0], in[1])}; };
  };
  return {
      {"add", {plain, plain}, binary(add), {}},
      {"add broadcast", {plain, {row}}, binary(add), {}},
      {"sub broadcast", {{col}, plain}, binary(sub), {}},
      {"mul", {plain, plain}, binary(mul), {}},
      {"mul broadcast", {{row}, plain}, binary(mul), {}},
      {"div", {plain, positive}, binary(div), {}},
      {"div broadcast", {plain, {col, false, 2.0}}, binary(div), {}},
      {"scale", {plain}, [](const Tensors& in) { return Tensors{scale(in[0], -1.75)}; }, {}},
      {"exp", {plain}, unary(ops::exp), {}},
      {"log", {positive}, unary(ops::log), {}},
      {"tanh", {plain}, unary(ops::tanh), {}},
      {"rsqrt", {positive}, unary(ops::rsqrt), {}},
      {"sum", {plain}, [](const Tensors& in) { return Tensors{sum(in[0])}; }, {}},
      {"sum of dims",
       {plain},
       [](const Tensors& in) {
         return Tensors{sum(in[0], {0, -1})};
       },
       {}},
      {"mean of rows", {plain}, [](const Tensors& in) { return Tensors{mean(in[0], {-1})}; }, {}},
      {"reshape",
       {plain},
       [s](const Tensors& in) {
         return Tensors{reshape(in[0], {s.b * s.t, s.c})};
       },
       {}},
      {"slice",
       {plain},
       [s](const Tensors& in) { return Tensors{slice(in[0], 1, 1, s.t - 1)}; },
       {}},
      {"transpose",
       {plain},
       [](const Tensors& in) { return Tensors{contiguous(transpose(in[0], 0, 2))}; },
       {}},
      {"cast",
       {plain},
       [](const Tensors& in) { return Tensors{cast(cast(in[0], DType::f64), in[0].dtype())}; },
       {}},
      {"matmul",
       {{{s.t, s.c}}, {{s.c, s.inner}}},
       binary(matmul),
       {},
       2.0 * static_cast<double>(s.t * s.c * s.inner)},
      {"matmul batched",
       {{{s.b, s.t, s.c}}, {{s.b, s.c, s.inner}}},
       binary(matmul),
       {},
       2.0 * static_cast<double>(s.b * s.t * s.c * s.inner)},
  };
}

inline std::vector<OpCase> linear_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const double flops = 2.0 * static_cast<double>(s.b * s.t * s.c * s.inner);
  for (const auto layout : {WeightLayout::in_out, WeightLayout::out_in})
    for (const bool gelu : {false, true}) {
      const LinearOptions o{.layout = layout, .gelu = gelu};
      const bool in_out = layout == WeightLayout::in_out;
      cases.push_back(
          {std::string("linear ") + (in_out ? "in_out" : "out_in") + (gelu ? " gelu" : ""),
           {{{s.b, s.t, s.c}},
            {in_out ? Shape{s.c, s.inner} : Shape{s.inner, s.c}},
            {{s.inner}, true}},
           [o](const Tensors& in) { return Tensors{linear(in[0], in[1], in[2], o)}; },
           [o](const Tensors& in) { return Tensors{composed::linear(in[0], in[1], in[2], o)}; },
           flops});
    }
  cases.push_back({"linear no bias",
                   {{{s.b, s.t, s.c}}, {{s.inner, s.c}}},
                   [](const Tensors& in) { return Tensors{linear(in[0], in[1])}; },
                   [](const Tensors& in) { return Tensors{composed::linear(in[0], in[1])}; },
                   flops});
  return cases;
}

inline std::vector<OpCase> norm_cases(const Sizes& s) {
  using namespace ops;
  const Input x{{s.b, s.t, s.c}}, weight{{s.c}, true, 1.0}, bias{{s.c}, true};
  const auto both = [](const ResidualNorm& r) { return Tensors{r.sum, r.y}; };
  const DropoutArgs drop = test_dropout(s);
  return {
      {"gelu",
       {{{s.b, s.t, s.c}, false, 0.0, 3.0}},
       [](const Tensors& in) { return Tensors{gelu(in[0])}; },
       [](const Tensors& in) { return Tensors{composed::gelu(in[0])}; }},
      {"layer_norm",
       {x, weight, bias},
       [](const Tensors& in) { return Tensors{layer_norm(in[0], in[1], in[2])}; },
       [](const Tensors& in) { return Tensors{composed::layer_norm(in[0], in[1], in[2])}; }},
      {"layer_norm no bias",
       {x, weight},
       [](const Tensors& in) { return Tensors{layer_norm(in[0], in[1])}; },
       [](const Tensors& in) { return Tensors{composed::layer_norm(in[0], in[1])}; }},
      {"residual_norm",
       {x, x, weight, bias},
       [=](const Tensors& in) { return both(residual_norm(in[0], in[1], in[2], in[3])); },
       [=](const Tensors& in) {
         return both(composed::residual_norm(in[0], in[1], in[2], in[3]));
       }},
      {"residual_norm dropout",
       {x, x, weight, bias},
       [=](const Tensors& in) {
         return both(residual_norm(in[0], in[1], in[2], in[3], 1e-5f, drop));
       },
       [=](const Tensors& in) {
         return both(composed::residual_norm(in[0], in[1], in[2], in[3], 1e-5f, drop));
       }},
      {"dropout",
       {x},
       [=](const Tensors& in) { return Tensors{dropout(in[0], drop)}; },
       [=](const Tensors& in) { return Tensors{composed::dropout(in[0], drop)}; }},
      {"residual_dropout",
       {x, x},
       [=](const Tensors& in) { return Tensors{residual_dropout(in[0], in[1], drop)}; },
       [=](const Tensors& in) { return Tensors{composed::residual_dropout(in[0], in[1], drop)}; }},
  };
}

inline std::vector<OpCase> token_cases(const Sizes& s) {
  using namespace ops;
  const auto tokens = [s](const Tensors& in) {
    return random_tokens(in[0].device(), {s.b, s.t}, s.vocab, "tokens");
  };
  const auto targets = [s](const Tensors& in) {
    auto ids = random_ids(s.b * s.t, s.vocab, "targets");
    ids[1] = -1;  // one is ignored
    return Tensor::from<std::int32_t>(in[0].device(), {s.b * s.t}, ids);
  };
  const DropoutArgs drop = test_dropout(s);
  const Input table{{s.vocab, s.c}}, positions{{s.t + 3, s.c}};
  return {
      {"embedding",
       {table},
       [=](const Tensors& in) { return Tensors{embedding(tokens(in), in[0])}; },
       [=](const Tensors& in) { return Tensors{composed::embedding(tokens(in), in[0])}; }},
      {"embedding positions dropout",
       {table, positions},
       [=](const Tensors& in) { return Tensors{embedding(tokens(in), in[0], in[1], 2, drop)}; },
       [=](const Tensors& in) {
         return Tensors{composed::embedding(tokens(in), in[0], in[1], 2, drop)};
       }},
      {"linear_cross_entropy",
       {{{s.b, s.t, s.c}}, table},
       [=](const Tensors& in) {
         return Tensors{linear_cross_entropy(in[0], in[1], targets(in), 0.25)};
       },
       [=](const Tensors& in) {
         return Tensors{composed::linear_cross_entropy(in[0], in[1], targets(in), 0.25)};
       },
       6.0 * static_cast<double>(s.b * s.t * s.c * s.vocab)},
  };
}

// A loss of one input and a target made on its device.
inline OpCase loss_case(const std::string& name, const Input& x,
                        const std::function<Tensor(const Tensor&)>& op,
                        const std::function<Tensor(const Tensor&)>& composed) {
  return {name,
          {x},
          [=](const Tensors& in) { return Tensors{op(in[0])}; },
          [=](const Tensors& in) { return Tensors{composed(in[0])}; }};
}

inline std::vector<OpCase> loss_cases(const Sizes& s) {
  using namespace ops;
  const Input x{{s.b, s.t, s.c}, false, 0.0, 3.0}, logits{{s.b, s.t, s.vocab}, false, 0.0, 4.0};
  const auto target = [](const Tensor& like) {
    return random_tensor(like.device(), like.shape(), "target");
  };
  const auto probabilities = [](const Tensor& like) {
    auto p = random_values(like.numel(), "target");
    for (double& v : p) v = v > 0.5 ? 1.0 : v < -0.5 ? 0.0 : 0.5 + v / 2;
    return tensor_of(like.device(), like.shape(), p, DType::f32);
  };
  const auto ids = [s](const Tensor& like) {
    auto values = random_ids(s.b * s.t, s.vocab, "targets");
    values[2] = -1;
    return Tensor::from<std::int32_t>(like.device(), {s.b, s.t}, values);
  };
  const CrossEntropyOptions smooth{.label_smoothing = 0.1},
      both{.label_smoothing = 0.2, .z_loss = 0.05};
  const auto cross = [&](const std::string& name, const CrossEntropyOptions& o) {
    return loss_case(
        "cross_entropy" + name, logits,
        [=](const Tensor& z) { return cross_entropy(z, ids(z), 0.25, o); },
        [=](const Tensor& z) { return composed::cross_entropy(z, ids(z), 0.25, o); });
  };
  return {
      loss_case(
          "mse_loss", x, [=](const Tensor& in) { return mse_loss(in, target(in), 0.5); },
          [=](const Tensor& in) { return composed::mse_loss(in, target(in), 0.5); }),
      loss_case(
          "huber_loss", x, [=](const Tensor& in) { return huber_loss(in, target(in), 0.7, 0.5); },
          [=](const Tensor& in) { return composed::huber_loss(in, target(in), 0.7, 0.5); }),
      loss_case(
          "binary_cross_entropy", x,
          [=](const Tensor& in) { return binary_cross_entropy(in, probabilities(in), 0.5, 3.0); },
          [=](const Tensor& in) {
            return composed::binary_cross_entropy(in, probabilities(in), 0.5, 3.0);
          }),
      cross("", {}),
      cross(", smoothed", smooth),
      cross(", smoothed, z-loss", both),
      {"linear_cross_entropy, smoothed, z-loss",
       {{{s.b, s.t, s.c}}, {{s.vocab, s.c}}},
       [=](const Tensors& in) {
         return Tensors{linear_cross_entropy(in[0], in[1], ids(in[0]), 0.25, both)};
       },
       [=](const Tensors& in) {
         return Tensors{composed::linear_cross_entropy(in[0], in[1], ids(in[0]), 0.25, both)};
       },
       6.0 * static_cast<double>(s.b * s.t * s.c * s.vocab)},
  };
}

// Uneven lengths, one of them 0, that sum to `rows`.
inline std::vector<std::int64_t> uneven_lengths(std::int64_t rows) {
  const std::int64_t first = rows * 3 / 10, third = rows * 4 / 10;
  return {first, 1, third, 0, rows - first - 1 - third};
}

inline std::vector<OpCase> sequence_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const std::int64_t d = s.c / s.heads;
  double flops = 0.0;  // causal
  for (const std::int64_t n : uneven_lengths(s.b * s.t))
    flops += 2.0 * static_cast<double>(n * n * s.c);
  const Input q{{s.b, s.t, s.heads, d}}, kv{{s.b, s.t, s.kv_heads, d}};
  const Input qkv{{s.b, s.t, (s.heads + 2 * s.kv_heads) * d}, false, 0.0, 2.0};
  for (const bool causal : {true, false}) {
    const AttentionOptions o{.causal = causal, .scale = 0.7f, .lengths = uneven_lengths(s.b * s.t)};
    const std::string name = std::string(", lengths") + (causal ? ", causal" : "");
    cases.push_back({"attention packed" + name,
                     {qkv},
                     [=](const Tensors& in) {
                       return Tensors{attention_packed(in[0], s.heads, s.kv_heads, o)};
                     },
                     [=](const Tensors& in) {
                       return Tensors{composed::attention_packed(in[0], s.heads, s.kv_heads, o)};
                     },
                     causal ? flops : 2 * flops});
    cases.push_back(
        {"attention" + name,
         {q, kv, kv},
         [o](const Tensors& in) { return Tensors{attention(in[0], in[1], in[2], o)}; },
         [o](const Tensors& in) { return Tensors{composed::attention(in[0], in[1], in[2], o)}; },
         causal ? flops : 2 * flops});
  }
  return cases;
}

inline std::vector<OpCase> attention_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const std::int64_t d = s.c / s.heads;
  const double flops = 2.0 * static_cast<double>(s.b * s.t * s.t * s.c);  // causal
  for (const std::int64_t kv : {s.heads, s.kv_heads}) {
    cases.push_back(
        {"attention packed, " + std::to_string(kv) + " key heads",
         {{{s.b, s.t, (s.heads + 2 * kv) * d}, false, 0.0, 2.0}},
         [=](const Tensors& in) { return Tensors{attention_packed(in[0], s.heads, kv)}; },
         [=](const Tensors& in) { return Tensors{composed::attention_packed(in[0], s.heads, kv)}; },
         flops});
    if (s.kv_heads == s.heads) break;
  }
  for (const bool causal : {true, false}) {
    const AttentionOptions o{.causal = causal, .scale = 0.7f};
    const Input q{{s.b, s.t - 2, s.heads, d}}, kv{{s.b, s.t, s.kv_heads, d}};
    cases.push_back(
        {std::string("attention, Tq < Tk") + (causal ? ", causal" : ""),
         {q, kv, kv},
         [o](const Tensors& in) { return Tensors{attention(in[0], in[1], in[2], o)}; },
         [o](const Tensors& in) { return Tensors{composed::attention(in[0], in[1], in[2], o)}; },
         causal ? flops : 2 * flops});
  }
  return cases;
}

// A keep-mask in which the first query of each (b, h) sees nothing, and most others something.
inline Tensor keep_mask(Device& device, const Shape& shape) {
  const auto draws = random_values(shape.numel(), "keep");
  std::vector<std::uint8_t> keep;
  const auto row = static_cast<std::size_t>(shape[-1]),
             head = row * static_cast<std::size_t>(shape[-2]);
  for (std::size_t i = 0; i < draws.size(); ++i) keep.push_back(i % head >= row && draws[i] > -0.3);
  return Tensor::from<std::uint8_t>(device, shape, keep);
}

// An additive mask with some keys hidden by -inf.
inline Tensor bias_mask(Device& device, const Shape& shape, DType dtype) {
  auto bias = random_values(shape.numel(), "bias");
  for (double& x : bias)
    x = x < -0.7 ? -INFINITY : static_cast<double>(static_cast<float>(bf16(static_cast<float>(x))));
  return tensor_of(device, shape, bias, dtype);
}

// Documents of some lengths, one of which comes twice.
inline Tensor segment_ids(Device& device, std::int64_t b, std::int64_t t) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < b * t; ++i)
    ids.push_back(static_cast<std::int32_t>(i % t * 3 / t == 1 ? 1 : 2 + i / t));
  return Tensor::from<std::int32_t>(device, {b, t}, ids);
}

inline std::vector<OpCase> mask_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const std::int64_t d = s.c / s.heads, short_t = s.t - 2;
  const auto add = [&](const std::string& name, std::int64_t tq, std::int64_t tk,
                       const std::function<AttentionOptions(Device&)>& options) {
    const Input q{{s.b, tq, s.heads, d}}, kv{{s.b, tk, s.kv_heads, d}};
    cases.push_back({"attention, " + name,
                     {q, kv, kv},
                     [=](const Tensors& in) {
                       return Tensors{attention(in[0], in[1], in[2], options(in[0].device()))};
                     },
                     [=](const Tensors& in) {
                       return Tensors{
                           composed::attention(in[0], in[1], in[2], options(in[0].device()))};
                     },
                     4.0 * static_cast<double>(s.b * tq * tk * s.c)});
  };
  add("Tq > Tk", s.t, short_t, [](Device&) { return AttentionOptions{.causal = false}; });
  add("keep-mask", s.t, short_t, [=](Device& device) {
    return AttentionOptions{.causal = false, .mask = keep_mask(device, {s.b, 1, s.t, short_t})};
  });
  add("bias, causal", short_t, s.t, [=](Device& device) {
    return AttentionOptions{.scale = 0.7f,
                            .mask = bias_mask(device, {s.heads, short_t, s.t}, DType::f32)};
  });
  add("bias of keys in bf16", short_t, s.t, [=](Device& device) {
    return AttentionOptions{.causal = false,
                            .mask = bias_mask(device, {s.b, 1, 1, s.t}, DType::bf16)};
  });
  for (const bool causal : {true, false})
    add(std::string("segments") + (causal ? ", causal" : ""), s.t, s.t, [=](Device& device) {
      return AttentionOptions{.causal = causal, .segments = segment_ids(device, s.b, s.t)};
    });
  const auto packed = [=](Device& device) {
    return AttentionOptions{.mask = keep_mask(device, {s.t, s.t}),
                            .segments = segment_ids(device, s.b, s.t)};
  };
  cases.push_back(
      {"attention packed, segments and mask, causal",
       {{{s.b, s.t, (s.heads + 2 * s.kv_heads) * d}, false, 0.0, 2.0}},
       [=](const Tensors& in) {
         return Tensors{attention_packed(in[0], s.heads, s.kv_heads, packed(in[0].device()))};
       },
       [=](const Tensors& in) {
         return Tensors{
             composed::attention_packed(in[0], s.heads, s.kv_heads, packed(in[0].device()))};
       }});
  return cases;
}

inline std::vector<OpCase> op_cases(const Sizes& s) {
  std::vector<OpCase> all;
  for (const auto& cases : {basic_cases(s), linear_cases(s), norm_cases(s), token_cases(s),
                            loss_cases(s), attention_cases(s), sequence_cases(s), mask_cases(s)})
    all.insert(all.end(), cases.begin(), cases.end());
  return all;
}

inline Tensors make_inputs(Device& device, const OpCase& c, DType dtype) {
  Tensors inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const Input& in = c.inputs[i];
    auto values = random_values(in.shape.numel(), c.name + std::to_string(i));
    for (double& v : values)  // representable in bf16, so that every dtype sees the same numbers
      v = static_cast<double>(
          static_cast<float>(bf16(static_cast<float>(v * in.factor + in.offset))));
    const DType own = in.vector_f32 && dtype == DType::bf16 ? DType::f32 : dtype;
    inputs.push_back(tensor_of(device, in.shape, values, own));
    inputs.back().require_grad();
  }
  return inputs;
}

}  // namespace gigatrain::test
