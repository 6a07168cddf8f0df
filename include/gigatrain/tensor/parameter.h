// A named weight: master values in f32 (or bf16), a copy in the compute dtype when that is
// narrower, and its uses. Its fully qualified name is its identity everywhere: initial values,
// optimizer state, files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gigatrain/base/philox.h"
#include "gigatrain/tensor/node.h"
#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

class Parameter;
class PackedBlock;

// The part of a parameter that this rank updates, where ranks share the work
// (parallel/data_parallel.h): elements [begin, begin + numel) of the flattened values.
struct Share {
  std::int64_t begin = 0;
  Tensor value;  // in the masters' dtype, flat
  Tensor copy;   // the same elements in the compute dtype; undefined when that is f32
};

// One place where a parameter enters the computation. Each use collects its own gradient, and the
// uses are added after everything else in the order of their making, so that a tied weight gets
// the same bits wherever its uses run.
class ParameterUse {
 public:
  explicit ParameterUse(Parameter& parameter);
  // Through a pack (parameter_pack.h): its gradient is the rows of the pack's from first_row on.
  ParameterUse(Parameter& parameter, std::shared_ptr<GradLeaf> pack, std::int64_t first_row);
  // The parameter in its compute dtype, connected to this use's gradient unless it is frozen. Not
  // through a pack.
  Tensor tensor();
  // For ops that take weights in f32 beside bf16 activations (ops::linear, linear_cross_entropy,
  // embedding): on a CPU the f32 master itself, which they round as they read it, so that no copy
  // in bf16 need exist; else tensor(). The same bits.
  Tensor operand();
  GradLeaf& leaf() { return *leaf_; }
  const std::shared_ptr<GradLeaf>& shared_leaf() const { return leaf_; }
  std::int64_t first_row() const { return first_row_; }  // in a pack's gradient; -1: its own
  Tensor gradient() const;                               // collected so far; undefined if none was
  Tensor part_of(const Tensor& gradient) const;          // its own, of what its leaf() collects
  Parameter& parameter() { return parameter_; }

 private:
  Tensor connected(bool master);
  const Tensor& kept(const Tensor& value);
  Parameter& parameter_;
  std::shared_ptr<GradLeaf> leaf_;  // a pack's is shared
  std::int64_t first_row_ = -1;     // in a pack's gradient
  Tensor tensor_;
  std::uint64_t version_ = 0;
};

struct Init {
  enum class Kind { zeros, ones, normal } kind = Kind::zeros;
  float stddev = 0.0f;
};

class Parameter {
 public:
  Parameter(const Shape& shape, Init init);
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }
  const Shape& shape() const { return shape_; }

  // Weight decay applies to matrices, not to vectors (biases, norms): the field's usual rule.
  bool decays() const { return shape_.dims() >= 2; }

  // Several matrices stored side by side as one, e.g. GPT-2's query, key and value: their sizes
  // along `parts_dim`. Optimizers that work on whole matrices (Muon) take them one by one. Empty:
  // one.
  const std::vector<std::int64_t>& parts() const { return parts_; }
  int parts_dim() const { return parts_dim_; }
  // Throws Error(invalid_argument) when the sizes do not add up to the shape's.
  void set_parts(int dim, std::vector<std::int64_t> sizes);

  // A frozen parameter collects no gradient: the backward skips it, optimizers refuse it, and the
  // Trainer leaves it as it is. Choose before the optimizer and the Trainer are made.
  bool requires_grad() const { return requires_grad_; }
  void set_requires_grad(bool wanted) {
    requires_grad_ = wanted;
    ++version_;  // uses make their tensors anew, with a leaf or without
  }

  // Gives it memory; values are set by initialize() or a load. `compute`: f32, bf16 or f16
  // (matrices only: vectors stay f32). `master`: f32, or bf16 with bf16 compute: no f32 copy
  // exists, and the optimizer rounds stochastically.
  void allocate(Device& device, DType compute, DType master = DType::f32);
  // Philox: value i depends on (seed, name, i) only.
  void initialize(std::uint64_t seed);
  void assign(const Tensor& values);  // overwrites value(), see Tensor::assign

  const Tensor& value() const { return value_; }  // the master
  const Tensor& compute_value();                  // in the compute dtype, cast when out of date
  DType compute_dtype() const { return compute_; }
  // Do kernels here round an f32 master to the compute dtype as they read it?
  bool rounded_when_read() const;
  // Exchanges the own values with those of another tensor of the same shape and dtype, which is
  // returned: an average of the weights, for an evaluation. Memory stays where it is.
  Tensor exchange_value(Tensor value);
  // Call after writing to value(); `compute_copy_too`: and to compute_copy(). A copy that was out
  // of date before stays so, since an optimizer that skips a step writes neither.
  void changed(bool compute_copy_too = false) {
    const bool up_to_date = copied_version_ == version_;
    ++version_;
    if (compute_copy_too && up_to_date) copied_version_ = version_;
  }
  // Where an optimizer that updates value() writes it rounded; undefined when compute is f32, or
  // nobody has asked for compute_value() yet.
  Tensor compute_copy() const { return compute_ == DType::f32 ? Tensor{} : compute_copy_; }

  // --- ranks that share the work. What an optimizer reads and writes is "own": everything, in its
  // shape, or this rank's part, flat and perhaps empty.
  // From now on the parameter is that part: value() is undefined, and the uses' whole values come
  // from their leaves' `weights`. Its own memory is freed.
  void set_share(Share share);
  bool shared() const { return share_.has_value(); }
  const Tensor& own_value() const { return share_ ? share_->value : value_; }
  Tensor own_copy() const { return share_ ? share_->copy : compute_copy(); }
  std::int64_t own_begin() const { return share_ ? share_->begin : 0; }
  // Makes own_copy() of own_value(), should it be out of date.
  void refresh_own_copy();
  std::uint64_t version() const { return version_; }  // of the values; the same on every rank

  std::shared_ptr<ParameterUse> add_use();
  const std::vector<std::shared_ptr<ParameterUse>>& uses() const { return uses_; }

  // f32; the step's gradient of what is own, once the tree has closed (or after a plain backward).
  Tensor grad;

 private:
  friend class ParameterUse;
  friend class ParameterPack;
  struct Place {
    std::shared_ptr<PackedBlock> master, copy;
    std::size_t member = 0;
  };
  void join(Place place, std::shared_ptr<ParameterUse> use);
  Tensor memory(const std::shared_ptr<PackedBlock>& pack, Device& device, DType dtype,
                const char* what) const;
  void require_memory() const;
  void draw_normal(PhiloxKey key);
  std::string name_ = "(unnamed)";
  Shape shape_;
  Init init_;
  Place place_;  // of a member of a pack
  DType compute_ = DType::f32;
  bool requires_grad_ = true;
  int parts_dim_ = 0;
  std::vector<std::int64_t> parts_;
  Tensor value_, compute_copy_;
  std::optional<Share> share_;
  std::uint64_t version_ = 1, copied_version_ = 0;
  std::vector<std::shared_ptr<ParameterUse>> uses_;
};

}  // namespace gigatrain
