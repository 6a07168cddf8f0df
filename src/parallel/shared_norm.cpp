#include "parallel/shared_norm.h"

#include <numeric>

#include "kernels/reduce.h"
#include "optim/chunk_norm.h"

namespace gigatrain::parallel {

namespace {

constexpr BlockName kName{Purpose::workspace, "clip.chunks"};

}  // namespace

// A part begins at a whole chunk of its parameter, so each chunk is one shard's.
SharedNorm::SharedNorm(const SharePlan& plan, const std::vector<Parameter*>& parameters,
                       Communicator& shards, Device& device)
    : parameters_(parameters), shards_(shards), device_(device) {
  std::vector<std::int64_t> first_of;  // chunk of each parameter, in name order
  std::int64_t all = 0;
  for (const auto* p : parameters) {
    first_of.push_back(all);
    chunks_of_.push_back(kernels::scalar_chunks(p->shape().numel()));
    all += chunks_of_.back();
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(all));
  std::int64_t next = 0;  // in the shards' order
  for (int shard = 0; shard < shards.size(); ++shard) {
    const std::int64_t before = next;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto range = plan.range_of(*parameters[i], shard);
      const auto to = order.begin() + first_of[i] + range.begin / kernels::kScalarChunk;
      const std::int64_t count = kernels::scalar_chunks(range.size());
      std::iota(to, to + count, next);
      next += count;
    }
    chunks_on_.push_back(next - before);
  }
  order_ = Tensor::from<std::int64_t>(device, {all}, order, kName);
}

Tensor SharedNorm::clip_scale(float max_norm, const Tensor& guard, double loss_scale) const {
  std::vector<kernels::NormTensor> own;
  for (const auto* p : parameters_)
    if (p->grad.numel() > 0) own.push_back({p->grad.view().as<float>(), p->grad.numel()});
  const Tensor mine = Tensor::empty(device_, {chunks_on_[static_cast<std::size_t>(shards_.rank())]},
                                    DType::f64, kName);
  const Tensor all = Tensor::empty(device_, {order_.numel()}, DType::f64, kName);
  device_.stream().submit(kernels::SquareSums{.tensors = own.data(),
                                              .count = static_cast<std::int64_t>(own.size()),
                                              .chunks = mine.view().as<double>()});
  shards_.all_gather(mine.view(), all.view(), chunks_on_).wait();
  return optim::clip_from_chunks(chunks_of_, all, order_, max_norm, guard, loss_scale);
}

}  // namespace gigatrain::parallel
