#include "gigatrain/optim/clip.h"

#include <fmt/format.h>

#include <numeric>

#include "gigatrain/base/error.h"
#include "kernels/reduce.h"
#include "optim/chunk_norm.h"

namespace gigatrain::optim {

namespace {

struct Gradients {
  std::vector<kernels::NormTensor> tensors;
  std::vector<std::int64_t> chunks_of;
  Device* device = nullptr;
};

Gradients gradients_of(const std::vector<Parameter*>& parameters) {
  Gradients all;
  for (auto* p : parameters) {
    if (!p->grad) continue;
    if (p->shared())
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("the gradient of '{}' is shared, and this is a part of it", p->name()),
          "use DataParallel::clip_scale(), which sees all parts");
    all.device = &p->grad.device();
    all.tensors.push_back({p->grad.view().as<float>(), p->grad.numel()});
    all.chunks_of.push_back(kernels::scalar_chunks(p->grad.numel()));
  }
  if (!all.device)
    throw Error(ErrorCode::invalid_argument, "no parameter has a gradient",
                "run backward() and collect_gradients() first");
  return all;
}

}  // namespace

Tensor clip_scale(const std::vector<Parameter*>& parameters, float max_norm, const Tensor& guard,
                  double loss_scale) {
  const Gradients all = gradients_of(parameters);
  const auto count = static_cast<std::int64_t>(all.tensors.size());
  const auto total = std::accumulate(all.chunks_of.begin(), all.chunks_of.end(), std::int64_t{0});
  Device& on = *all.device;
  const Tensor chunks = Tensor::empty(on, {total}, DType::f64, {Purpose::workspace, "clip.chunks"});
  on.stream().submit(kernels::SquareSums{
      .tensors = all.tensors.data(), .count = count, .chunks = chunks.view().as<double>()});
  return clip_from_chunks(all.chunks_of, chunks, {}, max_norm, guard, loss_scale);
}

Tensor clip_from_chunks(const std::vector<std::int64_t>& chunks_of, const Tensor& chunks,
                        const Tensor& order, float max_norm, const Tensor& guard,
                        double loss_scale) {
  const Tensor result =
      Tensor::empty(chunks.device(), {2}, DType::f64, {Purpose::optimizer, "clip"});
  chunks.stream().submit(
      kernels::NormOfChunks{.chunks_of = chunks_of.data(),
                            .count = static_cast<std::int64_t>(chunks_of.size()),
                            .chunks = chunks.view().as<double>(),
                            .order = order ? order.view().as<std::int64_t>() : nullptr,
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
