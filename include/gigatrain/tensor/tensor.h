// A value-like handle: storage, a view of it, and, when a gradient is wanted, its place on the
// tape. Copying a Tensor copies the handle. The mathematics is in free functions (ops/ops.h).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gigatrain/base/tensor_view.h"
#include "gigatrain/runtime/device.h"
#include "gigatrain/runtime/storage.h"

namespace gigatrain {

class Node;
class GradLeaf;
class TensorSource;

class Tensor {
 public:
  Tensor() = default;  // undefined

  // Uninitialised memory.
  static Tensor empty(Device& device, const Shape& shape, DType dtype = DType::f32,
                      BlockName name = {});
  // Throws Error(invalid_argument) for a value that an integer dtype cannot hold.
  static Tensor full(Device& device, const Shape& shape, double value, DType dtype = DType::f32,
                     BlockName name = {});
  // Copies `values`, whose count must be shape.numel().
  template <class T>
  static Tensor from(Device& device, const Shape& shape, std::span<const T> values,
                     BlockName name = {Purpose::data, "from"});
  // A window on memory made elsewhere (Storage::borrow), which must be the device's.
  static Tensor wrap(Device& device, Storage storage, const TensorView& view);
  // Another window on the same memory; not on the tape.
  Tensor alias(const TensorView& view) const;
  Tensor detach() const { return alias(view()); }

  explicit operator bool() const { return impl_ != nullptr; }
  const TensorView& view() const { return impl_->view; }
  const Shape& shape() const { return impl_->view.shape; }
  DType dtype() const { return impl_->view.dtype; }
  std::int64_t numel() const { return impl_->view.numel(); }
  Device& device() const { return *impl_->device; }
  Stream& stream() const { return impl_->device->stream(); }
  // Does nobody else, not even a node of the tape, hold this memory? Then it may be overwritten.
  bool sole_owner() const { return impl_.use_count() == 1 && impl_->storage.unique(); }
  bool same_storage(const Tensor& other) const {
    return impl_->view.data == other.impl_->view.data;
  }

  // Host copies, converted to T; `item` needs exactly one element.
  template <class T>
  std::vector<T> to_vector() const;
  double item() const;

  // Overwrites the values with those of `from`, which has the same shape, converting the dtype;
  // it may be on another device. Not recorded on the tape.
  void assign(const Tensor& from) const;
  // A copy on another device, not on the tape; the tensor itself when it is there already.
  Tensor to(Device& device) const;

  // --- tape
  bool requires_grad() const { return impl_ && (impl_->node || impl_->leaf); }
  // A gradient will be collected here. The leaf may be shared by several tensors.
  Tensor& set_leaf(std::shared_ptr<GradLeaf> leaf);
  // Makes a leaf of its own (for inputs and tests); its gradient is in leaf()->gradient.
  Tensor& require_grad();
  const std::shared_ptr<GradLeaf>& leaf() const { return impl_->leaf; }
  const std::shared_ptr<Node>& node() const { return impl_->node; }
  int output_index() const { return impl_->output; }
  // Of a tensor whose memory may go (tensor/tensor_source.h).
  Tensor& set_source(std::shared_ptr<TensorSource> source);
  const std::shared_ptr<TensorSource>& source() const { return impl_->source; }
  Tensor without_memory() const;  // its shape, dtype and source: what the tape saves of it
  bool has_memory() const { return impl_->view.data != nullptr || numel() == 0; }

 private:
  friend class Node;
  struct Impl {
    Device* device = nullptr;
    Storage storage;
    TensorView view;
    std::shared_ptr<Node> node;  // what made it, or
    std::shared_ptr<GradLeaf> leaf;
    std::shared_ptr<TensorSource> source;
    int output = 0;
  };
  std::shared_ptr<Impl> impl_;
};

}  // namespace gigatrain
