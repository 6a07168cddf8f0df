#include "tensor/recomputed.h"

#include <utility>

#include "gigatrain/runtime/device.h"
#include "gigatrain/tensor/node.h"
#include "gigatrain/tensor/tensor_source.h"

namespace gigatrain {

namespace {

class Recomputed : public TensorSource {
 public:
  explicit Recomputed(std::function<Tensor()> compute) : compute_(std::move(compute)) {}
  Tensor fetch() override {
    const NoGrad off;
    return compute_();
  }
  bool leaves() const override { return true; }

 private:
  std::function<Tensor()> compute_;
};

}  // namespace

void recompute_in_backward(Tensor& y, std::function<Tensor()> compute) {
  if (y.device().is_cpu()) y.set_source(std::make_shared<Recomputed>(std::move(compute)));
}

Tensor to_save(const Tensor& tensor) {
  if (!tensor) return tensor;
  const auto& source = tensor.source();
  return source && source->leaves() ? tensor.without_memory() : tensor.detach();
}

Tensor saved_value(const Tensor& tensor) {
  return tensor && !tensor.has_memory() ? tensor.source()->fetch() : tensor;
}

}  // namespace gigatrain
