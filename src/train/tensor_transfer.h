// Between files and tensors, whichever device the tensors live on.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "gigatrain/tensor/tensor.h"
#include "gigatrain/train/safetensors.h"

namespace gigatrain {

// copy_tensor (safetensors.h) into a tensor of any device, contiguous.
void load_tensor(const StoredTensor& from, const Tensor& to);

// A view of the tensor's values that the host can read: the tensor's own memory on a CPU, else a
// copy that `keep` holds.
using HostCopies = std::vector<std::shared_ptr<std::vector<std::byte>>>;
TensorView host_view(const Tensor& tensor, HostCopies& keep);

}  // namespace gigatrain
