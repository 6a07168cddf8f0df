#include "gigatrain/tensor/parameter_pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/anomaly.h"
#include "tensor/fetched.h"
#include "tensor/rows.h"

namespace gigatrain {

namespace {

std::vector<std::int64_t> first_dims(const std::vector<std::shared_ptr<Parameter>>& members) {
  std::vector<std::int64_t> rows;
  for (const auto& p : members) rows.push_back(p->shape()[0]);
  return rows;
}

Shape joined_shape(const std::vector<std::shared_ptr<Parameter>>& members) {
  if (members.empty())
    throw Error(ErrorCode::invalid_argument, "a pack needs at least one parameter");
  Shape whole = members.front()->shape();
  whole[0] = 0;
  for (const auto& p : members) {
    Shape expected = whole;
    if (p->shape().dims() > 0) expected[0] = p->shape()[0];
    if (!(p->shape() == expected))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("packed parameters must agree in all dims but the first, got {} and "
                              "{}",
                              members.front()->shape().str(), p->shape().str()));
    if (p->value())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' has memory of its own already", p->name()),
                  "make the pack before nn::materialize");
    whole[0] += p->shape()[0];
  }
  return whole;
}

}  // namespace

PackedBlock::PackedBlock(const Shape& whole, std::vector<std::int64_t> rows)
    : shape_(whole), rows_(std::move(rows)), taken_(rows_.size(), false) {}

Tensor PackedBlock::place(std::size_t member, Device& device, DType dtype, BlockName name) {
  if (!whole_ || taken_[member]) {
    whole_ = Tensor::empty(device, shape_, dtype, name);
    taken_.assign(taken_.size(), false);
  }
  taken_[member] = true;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < member; ++i) first += rows_[i];
  return rows_of(whole_, first, rows_[member]);
}

ParameterPack::ParameterPack(std::vector<std::shared_ptr<Parameter>> members)
    : members_(std::move(members)), leaf_(std::make_shared<GradLeaf>()) {
  const Shape whole = joined_shape(members_);
  const auto rows = first_dims(members_);
  masters_ = std::make_shared<PackedBlock>(whole, rows);
  copies_ = std::make_shared<PackedBlock>(whole, rows);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    members_[i]->join({masters_, copies_, i},
                      std::make_shared<ParameterUse>(*members_[i], leaf_, first));
    first += rows[i];
  }
}

Tensor ParameterPack::tensor() {
  return connected(/*masters=*/false);
}

Tensor ParameterPack::operand() {
  return connected(members_.front()->rounded_when_read());
}

Tensor ParameterPack::connected(bool masters) {
  const bool wanted = any_trainable();
  const Tensor joined = leaf_->weights
                            ? fetched(leaf_, wanted)
                            : kept(masters ? masters_->whole() : compute_values(), wanted);
  if (diagnostics().anomaly) check_weights(joined);
  return joined;
}

const Tensor& ParameterPack::compute_values() {
  for (const auto& p : members_) p->compute_value();  // brings the copies up to date
  const Tensor& first = members_.front()->compute_value();
  return first.same_storage(masters_->whole()) ? masters_->whole() : copies_->whole();
}

// One tensor as long as the block stays.
const Tensor& ParameterPack::kept(const Tensor& whole, bool wanted) {
  if (!tensor_ || !tensor_.same_storage(whole) || tensor_.requires_grad() != wanted) {
    tensor_ = whole.detach();
    if (wanted) tensor_.set_leaf(leaf_);
  }
  return tensor_;
}

bool ParameterPack::any_trainable() const {
  return std::any_of(members_.begin(), members_.end(),
                     [](const auto& p) { return p->requires_grad(); });
}

void ParameterPack::check_weights(const Tensor& joined) {
  leaf_->owner.clear();
  std::int64_t first = 0;
  for (const auto& p : members_) {
    anomaly::check_weight(p->name(), rows_of(joined, first, p->shape()[0]));
    leaf_->owner += (leaf_->owner.empty() ? "" : ", ") + p->name();
    first += p->shape()[0];
  }
}

}  // namespace gigatrain
