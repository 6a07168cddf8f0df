// Layers of image and audio models, with PyTorch's parameter names ("weight", "bias").
#pragma once

#include "gigatrain/nn/layer.h"
#include "gigatrain/ops/conv.h"

namespace gigatrain::nn {

// y = conv2d(x, weight) [+ bias]; x (N, in, H, W), y (N, out, H', W') (ops/conv.h). The
// weight (out, in / groups, KH, KW) is drawn from a normal of deviation init_std, or, where that is
// 0, of sqrt(2 / (in / groups KH KW)) (He et al., arXiv:1502.01852); the bias is 0.
class Conv2d : public Layer {
 public:
  struct Options {
    std::int64_t in = 0, out = 0;
    std::array<std::int64_t, 2> kernel{3, 3};
    ops::Conv2dOptions conv{};
    bool bias = true;
    float init_std = 0.0f;
  };
  explicit Conv2d(const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  ops::Conv2dOptions conv_;
  std::shared_ptr<ParameterUse> weight_, bias_;
};

// The same over one dim: x (N, in, T), y (N, out, T'), weight (out, in / groups, K).
class Conv1d : public Layer {
 public:
  struct Options {
    std::int64_t in = 0, out = 0, kernel = 3;
    ops::Conv1dOptions conv{};
    bool bias = true;
    float init_std = 0.0f;
  };
  explicit Conv1d(const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  ops::Conv1dOptions conv_;
  std::shared_ptr<ParameterUse> weight_, bias_;
};

// ops::group_norm of x (N, channels, ...); weight starts at 1, bias at 0.
class GroupNorm : public Layer {
 public:
  GroupNorm(std::int64_t groups, std::int64_t channels, float eps = 1e-5f, bool bias = true);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  std::int64_t groups_;
  float eps_;
  std::shared_ptr<ParameterUse> weight_, bias_;
};

}  // namespace gigatrain::nn
