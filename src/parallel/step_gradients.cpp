#include "parallel/step_gradients.h"

#include "kernels/elementwise.h"
#include "parallel/window.h"

namespace gigatrain::parallel {

StepGradients::StepGradients(const SharePlan& plan, TreeRanks& ranks, Device& device, bool whole)
    : plan_(plan),
      shard_(ranks.by_shard().rank()),
      whole_(whole),
      buckets_(plan, ranks, device,
               [this](std::size_t bucket, const Tensor& sum) { take(bucket, sum); }) {
  forget();
}

void StepGradients::forget() {
  works_.clear();
  sums_.assign(plan_.buckets.size(), {});
  gathered_.assign(plan_.buckets.size(), {});
}

void StepGradients::discard() {
  forget();
  buckets_.discard();
}

void StepGradients::finish(const std::vector<Parameter*>& parameters) {
  buckets_.finish();
  if (whole_) return finish_gathers(parameters);
  for (auto* p : parameters) p->grad = sum_of_uses(*p);
}

// What needs no other bucket begins to move back while the backward goes on.
void StepGradients::take(std::size_t bucket, const Tensor& sum) {
  sums_[bucket] = sum;
  if (!whole_ || !has_single_uses(bucket)) return;
  start_gather(bucket);
  sums_[bucket] = {};
}

bool StepGradients::has_single_uses(std::size_t bucket) const {
  for (const auto& unit : plan_.buckets[bucket].units)
    for (const auto& member : unit.members)
      if (member.parameter->uses().size() > 1) return false;
  return true;
}

// Of one use: the elements of the parameter that are this rank's.
Tensor StepGradients::own_part(const Parameter& p, std::size_t use) const {
  const auto range = plan_.range_of(p, shard_);
  const auto at = plan_.place_of(p, use);
  const std::int64_t first = plan_.buckets[at.bucket].borders[static_cast<std::size_t>(shard_)];
  const std::int64_t begin = range.size() > 0 ? at.offset + range.begin - first : 0;
  return window(sums_[at.bucket], begin, {range.size()});
}

// In the order of their making.
Tensor StepGradients::sum_of_uses(const Parameter& p) const {
  Tensor total = own_part(p, 0);
  for (std::size_t use = 1; use < p.uses().size(); ++use)
    if (const Tensor more = own_part(p, use); more.numel() > 0) add_into(total, more);
  return total;
}

void StepGradients::start_gather(std::size_t bucket) {
  Tensor& all = gathered_[bucket];
  all = Tensor::empty(sums_[bucket].device(), {plan_.buckets[bucket].size}, DType::f32,
                      {Purpose::gradients, "gathered"});
  for (const auto& unit : plan_.buckets[bucket].units)
    for (const auto& member : unit.members) {
      const auto range = plan_.range_of(*member.parameter, shard_);
      if (range.size() == 0) continue;
      const Tensor to = window(all, unit.offset + member.offset + range.begin, {range.size()});
      all.stream().submit(
          kernels::Copy{.x = sum_of_uses(*member.parameter).view(), .y = to.view()});
    }
  works_.push_back(buckets_.all_gather(bucket, all));
}

void StepGradients::finish_gathers(const std::vector<Parameter*>& parameters) {
  for (std::size_t b = 0; b < plan_.buckets.size(); ++b)
    if (plan_.buckets[b].holds_values && !gathered_[b]) start_gather(b);
  for (auto& work : works_) work.wait();
  works_.clear();
  sums_.assign(plan_.buckets.size(), {});
  for (auto* p : parameters) {
    const auto at = plan_.place_of(*p);
    p->grad = window(gathered_[at.bucket], at.offset, p->shape());
  }
}

}  // namespace gigatrain::parallel
