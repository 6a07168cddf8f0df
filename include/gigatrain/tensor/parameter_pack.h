// Parameters that lie one after the other in memory, joined along their first dim, so that one
// product serves them all: q, k and v; gate and up. Each stays a parameter of its own, with its
// name, initial values, optimizer state and place in files; values and gradients are rows of a
// common block.
#pragma once

#include <memory>
#include <vector>

#include "gigatrain/tensor/parameter.h"

namespace gigatrain {

// The common block, in one dtype. Members take their places one by one.
class PackedBlock {
 public:
  PackedBlock(const Shape& whole, std::vector<std::int64_t> rows);
  // The rows of `member`; the block is made anew when that member already has its place in it.
  Tensor place(std::size_t member, Device& device, DType dtype, BlockName name);
  const Tensor& whole() const { return whole_; }
  void drop() { whole_ = {}; }  // the members' views keep it as long as they live

 private:
  Shape shape_;
  std::vector<std::int64_t> rows_;  // of each member
  Tensor whole_;
  std::vector<bool> taken_;
};

class ParameterPack {
 public:
  // Members share all dims but the first and have no memory yet; Error(invalid_argument) if not.
  // This is a use of each of them.
  explicit ParameterPack(std::vector<std::shared_ptr<Parameter>> members);

  // All members as one tensor (sum of first dims, ...) in their compute dtype, connected to the
  // gradient of each, unless all are frozen.
  Tensor tensor();
  Tensor operand();  // see ParameterUse::operand

 private:
  bool any_trainable() const;
  void check_weights(const Tensor& joined);
  Tensor connected(bool masters);
  const Tensor& compute_values();
  const Tensor& kept(const Tensor& whole, bool wanted);
  std::vector<std::shared_ptr<Parameter>> members_;
  std::shared_ptr<PackedBlock> masters_, copies_;
  std::shared_ptr<GradLeaf> leaf_;
  Tensor tensor_;
};

}  // namespace gigatrain
