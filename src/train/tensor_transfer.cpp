#include "train/tensor_transfer.h"

namespace gigatrain {

void load_tensor(const StoredTensor& from, const Tensor& to) {
  if (to.device().host_memory()) return copy_tensor(from, to.view());
  std::vector<std::byte> staging(static_cast<std::size_t>(to.view().bytes()));
  copy_tensor(from, TensorView(staging.data(), to.dtype(), to.shape()));
  to.device().upload(to.view().data, staging.data(), to.view().bytes());
}

TensorView host_view(const Tensor& tensor, HostCopies& keep) {
  if (tensor.device().host_memory()) return tensor.view();
  keep.push_back(
      std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(tensor.view().bytes())));
  tensor.device().download(keep.back()->data(), tensor.view().data, tensor.view().bytes());
  return TensorView(keep.back()->data(), tensor.dtype(), tensor.shape());
}

}  // namespace gigatrain
