// Cases of the losses: each of one input, with a target made on its device.
#pragma once

#include "support/op_case.h"

namespace gigatrain::test {

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

}  // namespace gigatrain::test
