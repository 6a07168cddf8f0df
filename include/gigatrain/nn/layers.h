// The layers a transformer is made of.
#pragma once

#include "gigatrain/nn/layer.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/parameter_pack.h"

namespace gigatrain::nn {

// y = x W [+ b] [then GELU]. x (..., in), y (..., out).
class Linear : public Layer {
 public:
  struct Options {
    std::int64_t in = 0, out = 0;
    bool bias = true;
    ops::WeightLayout layout = ops::WeightLayout::out_in;
    bool gelu = false;
    float init_std = 0.02f;
  };
  explicit Linear(const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  Options options_;
  std::shared_ptr<ParameterUse> weight_, bias_;
};

// Several linear maps of one input as one product: y = [y_0 | y_1 | ...], y_i = x W_i^T [+ b_i].
// The weights are parameters of their own, "<part>.weight" (out_i, in) and "<part>.bias", that lie
// one after the other in memory.
class PackedLinear : public Layer {
 public:
  struct Part {
    std::string name;  // "q_proj"
    std::int64_t out = 0;
  };
  struct Options {
    std::int64_t in = 0;
    std::vector<Part> parts;
    bool bias = true;
    float init_std = 0.02f;
  };
  explicit PackedLinear(const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  std::unique_ptr<ParameterPack> weight_, bias_;
};

// What stands before attention and the feed-forward: normalises, alone or with the residual add.
class Norm : public Layer {
 public:
  // sum = x + dropout(delta), y = norm(sum)
  virtual ops::ResidualNorm add_and_norm(const Tensor& x, const Tensor& delta,
                                         const DropoutArgs& dropout) = 0;
};

class LayerNorm : public Norm {
 public:
  explicit LayerNorm(std::int64_t channels, float eps = 1e-5f, bool bias = true);
  Tensor forward(const Tensor& x, BatchContext& context) override;
  ops::ResidualNorm add_and_norm(const Tensor& x, const Tensor& delta,
                                 const DropoutArgs& dropout) override;

 private:
  float eps_;
  std::shared_ptr<ParameterUse> weight_, bias_;
};

// Zhang and Sennrich, arXiv:1910.07467.
class RmsNorm : public Norm {
 public:
  explicit RmsNorm(std::int64_t channels, float eps = 1e-6f);
  Tensor forward(const Tensor& x, BatchContext& context) override;
  ops::ResidualNorm add_and_norm(const Tensor& x, const Tensor& delta,
                                 const DropoutArgs& dropout) override;

 private:
  float eps_;
  std::shared_ptr<ParameterUse> weight_;
};

// A table of vectors; (B, T) tokens -> (B, T, C) through ops::embedding, called by the model.
class Embedding : public Layer {
 public:
  Embedding(std::int64_t count, std::int64_t channels, float init_std = 0.02f);
  Tensor forward(const Tensor& tokens, BatchContext& context) override;
  const std::shared_ptr<Parameter>& weight() const { return parameter_; }
  Tensor table() { return use_->operand(); }                   // for ops::embedding
  DType dtype() const { return parameter_->compute_dtype(); }  // of its result

 private:
  std::shared_ptr<Parameter> parameter_;
  std::shared_ptr<ParameterUse> use_;
};

// Keys and values of the positions seen so far, for generation: one (B, T_max, Hkv, D) pair a
// layer, found by the layer's path.
class KvCache {
 public:
  KvCache(std::int64_t batch, std::int64_t max_positions) : batch_(batch), max_(max_positions) {}

  struct Entry {
    std::string layer;
    Tensor k, v;
  };
  // Stores k, v (B, T, Hkv, D) at positions [length(), length() + T) and returns all so far.
  Entry append(const std::string& layer, const Tensor& k, const Tensor& v);
  std::int64_t length() const { return length_; }
  std::int64_t capacity() const { return max_; }
  void advance(std::int64_t tokens) { length_ += tokens; }  // after a whole forward
  void clear() { length_ = 0; }

 private:
  std::int64_t batch_, max_, length_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace gigatrain::nn
