#include "gigatrain/optim/clip.h"

#include "gigatrain/base/error.h"
#include "kernels/reduce.h"

namespace gigatrain::optim {

Tensor clip_scale(const std::vector<Parameter*>& parameters, float max_norm, const Tensor& guard,
                  double loss_scale) {
  std::vector<kernels::NormTensor> tensors;
  Device* device = nullptr;
  for (auto* p : parameters) {
    if (!p->grad) continue;
    device = &p->grad.device();
    tensors.push_back({p->grad.view().as<float>(), p->grad.numel()});
  }
  if (!device)
    throw Error(ErrorCode::invalid_argument, "no parameter has a gradient",
                "run backward() and collect_gradients() first");
  Device& on = *device;
  Tensor result = Tensor::empty(on, {2}, DType::f64, {Purpose::optimizer, "clip"});
  on.stream().submit(kernels::GlobalNorm{.tensors = tensors.data(),
                                         .count = static_cast<std::int64_t>(tensors.size()),
                                         .guard = guard ? guard.view().as<float>() : nullptr,
                                         .guard_count = guard ? guard.numel() : 0,
                                         .max_norm = max_norm,
                                         .loss_scale = loss_scale,
                                         .result = result.view().as<double>()});
  return result;
}

double gradient_norm(const std::vector<Parameter*>& parameters) {
  return clip_scale(parameters, 0.0f).to_vector<double>().front();
}

}  // namespace gigatrain::optim
