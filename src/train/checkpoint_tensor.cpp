// Reading runs of elements of a tensor that lies in slices.
#include <algorithm>

#include "gigatrain/base/error.h"
#include "gigatrain/train/checkpoint_files.h"

namespace gigatrain {

namespace {

StoredTensor cut(const StoredTensor& whole, std::int64_t begin, std::int64_t count) {
  StoredTensor part = whole;
  part.shape = {count};
  part.data += begin * whole.item_size();
  part.offset += begin * whole.item_size();
  part.bytes = count * whole.item_size();
  return part;
}

}  // namespace

std::vector<StoredTensor> CheckpointTensor::pieces(std::int64_t begin, std::int64_t count) const {
  if (begin < 0 || count < 0 || begin + count > shape.numel())
    throw Error(ErrorCode::invalid_argument,
                "elements beyond tensor '" + name + "' of shape " + shape.str());
  std::vector<StoredTensor> found;
  for (const auto& slice : slices) {
    const std::int64_t first = std::max(begin, slice.begin);
    const std::int64_t end = std::min(begin + count, slice.begin + slice.stored.shape.numel());
    if (first < end) found.push_back(cut(slice.stored, first - slice.begin, end - first));
  }
  return found;
}

void CheckpointTensor::read(std::int64_t begin, const TensorView& to) const {
  auto* at = to.as<std::byte>();
  for (const auto& piece : pieces(begin, to.numel())) {
    const TensorView part(at, to.dtype, piece.shape);
    copy_tensor(piece, part);
    at += part.bytes();
  }
}

}  // namespace gigatrain
