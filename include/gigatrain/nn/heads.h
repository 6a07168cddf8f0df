// Heads make a model of any network: the last linear map and the loss.
//
//   auto net = std::make_shared<nn::Sequential>(...);                      // (B, 64) -> (B, 32)
//   nn::ClassificationHead model(net, {.channels = 32, .classes = 10});
//   gt::nn::materialize(model, device);
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "gigatrain/nn/layers.h"
#include "gigatrain/nn/model.h"

namespace gigatrain::nn {

// Cross-entropy of linear(body(x)); one term a label, of which -1 is ignored.
class ClassificationHead : public Model {
 public:
  struct Options {
    std::int64_t channels = 0;  // of the body's output (B, ..., channels)
    std::int64_t classes = 0;
    std::string x = "x", label = "label";  // fields of the batch; labels i32 (B, ...)
    float init_std = 0.02f;
    ops::CrossEntropyOptions loss{};  // label smoothing, z-loss
  };
  ClassificationHead(std::shared_ptr<Layer> body, const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;  // logits (B, ..., classes)
  Tensor loss(const Batch& batch, double scale, BatchContext& context) override;
  Tensor predict(const Batch& batch, BatchContext& context) override;  // logits
  void check_fields(std::span<const FieldSpec> fields) const override;
  std::vector<IdRange> id_ranges() const override;

 private:
  Options options_;
  Child<Layer> body_{this, "body"}, head_{this, "head"};
};

// scale * sum over samples of the mean over outputs of (prediction - target)^2, of the Huber loss,
// or another loss that is given.
class RegressionHead : public Model {
 public:
  // y, target (B, outputs) -> scale * the sum of B terms, scalar f32.
  using Loss = std::function<Tensor(const Tensor& y, const Tensor& target, double scale)>;
  struct Options {
    std::int64_t channels = 0;  // of the body's output (B, channels)
    std::int64_t outputs = 1;
    std::string x = "x", target = "target";  // fields of the batch; target (B, outputs) or (B)
    float init_std = 0.02f;
    float huber_delta = 0.0f;  // where the Huber loss turns linear; 0: squares
    Loss loss{};               // none: those
  };
  RegressionHead(std::shared_ptr<Layer> body, const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;  // (B, outputs)
  Tensor loss(const Batch& batch, double scale, BatchContext& context) override;
  Tensor predict(const Batch& batch, BatchContext& context) override;
  void check_fields(std::span<const FieldSpec> fields) const override;

 private:
  Options options_;
  Child<Layer> body_{this, "body"}, head_{this, "head"};
};

}  // namespace gigatrain::nn
