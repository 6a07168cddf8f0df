#include "parallel/weight_bucket.h"

#include <algorithm>

#include "kernels/elementwise.h"
#include "parallel/window.h"

namespace gigatrain::parallel {

namespace {

constexpr BlockName kWhole{Purpose::parameters, "gathered"};
constexpr BlockName kOwn{Purpose::parameters, "own part"};
constexpr BlockName kMaster{Purpose::parameters, "own master"};

// Members of a pack share a block, so all have their memory before one is filled.
void give_values(const Unit& unit, Device& device, const nn::MaterializeOptions& weights) {
  std::vector<Parameter*> empty;
  for (const auto& member : unit.members)
    if (!member.parameter->value()) empty.push_back(member.parameter);
  for (auto* p : empty) nn::allocate(*p, device, weights);
  for (auto* p : empty) nn::fill(*p, weights);
}

}  // namespace

WeightBucket::WeightBucket(const SharedBucket& bucket, Device& device, Communicator& shards,
                           bool stays, const std::optional<nn::MaterializeOptions>& weights)
    : shards_(shards), borders_(bucket.borders), stays_(stays) {
  for (const auto& unit : bucket.units) {
    if (weights) give_values(unit, device, *weights);
    if (!own_) make_memory(device, *unit.members.front().parameter);
    for (const auto& member : unit.members)
      take_over(*member.parameter, unit.offset + member.offset);
  }
}

void WeightBucket::make_memory(Device& device, const Parameter& like) {
  const DType compute = like.compute_dtype(), master = like.value().dtype();
  if (stays_) whole_ = Tensor::empty(device, {borders_.back()}, compute, kWhole);
  own_ =
      stays_ ? window(whole_, begin(), {size()}) : Tensor::empty(device, {size()}, compute, kOwn);
  master_ = master == compute ? own_ : Tensor::empty(device, {size()}, master, kMaster);
}

// The part of elements [offset, offset + numel) of the bucket that is in `flat`, this rank's own.
Tensor WeightBucket::part(const Tensor& flat, std::int64_t offset, std::int64_t numel) const {
  const std::int64_t from = std::clamp(offset, begin(), begin() + size());
  const std::int64_t to = std::clamp(offset + numel, begin(), begin() + size());
  return window(flat, from - begin(), {to - from});
}

void WeightBucket::take_over(Parameter& parameter, std::int64_t offset) {
  const std::int64_t numel = parameter.shape().numel();
  const Tensor mine = part(master_, offset, numel);
  const std::int64_t first = std::clamp<std::int64_t>(begin() - offset, 0, numel);
  mine.stream().submit(kernels::Copy{.x = window(parameter.value(), first, {mine.numel()}).view(),
                                     .y = mine.view()});
  const bool narrow = parameter.compute_dtype() != DType::f32;
  parameter.set_share({first, mine, narrow ? part(own_, offset, numel) : Tensor{}});
  parameter.changed();
  parameters_.push_back(&parameter);
}

std::uint64_t WeightBucket::version() const {
  std::uint64_t sum = 0;
  for (const auto* p : parameters_) sum += p->version();
  return sum;
}

void WeightBucket::start() {
  if (whole_ && gathered_ == version()) return;
  work_.wait();
  for (auto* p : parameters_) p->refresh_own_copy();
  if (!whole_) whole_ = Tensor::empty(own_.device(), {borders_.back()}, own_.dtype(), kWhole);
  gathered_ = version();
  work_ = shards_.all_gather(own_.view(), whole_.view(), shard_sizes(borders_));
}

const Tensor& WeightBucket::whole() {
  start();
  work_.wait();
  return whole_;
}

void WeightBucket::release() {
  if (stays_) return;
  work_.wait();
  whole_ = {};
}

}  // namespace gigatrain::parallel
