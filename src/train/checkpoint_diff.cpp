#include "gigatrain/train/checkpoint_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace gigatrain {
namespace {

// Elements converted at a time: a tensor of any size is compared in a few pages.
constexpr std::int64_t kChunk = 16384;

bool is_float(const std::string& dtype) {
  return dtype == "F64" || dtype == "F32" || dtype == "F16" || dtype == "BF16";
}

StoredTensor part(const StoredTensor& whole, std::int64_t begin, std::int64_t count) {
  StoredTensor t = whole;
  t.shape = Shape{count};
  t.data = whole.data + begin * whole.item_size();
  t.bytes = count * whole.item_size();
  return t;
}

std::vector<double> values(const StoredTensor& tensor) {
  std::vector<double> v(static_cast<std::size_t>(tensor.shape.numel()));
  copy_tensor(tensor, TensorView(v.data(), DType::f64, tensor.shape));
  return v;
}

// A NaN on either side stays; std::max would drop it on one.
double larger(double a, double b) {
  return std::isnan(a) || a >= b ? a : b;
}

void compare_chunk(const StoredTensor& a, const StoredTensor& b, TensorDiff& diff) {
  if (a.bytes == 0 || std::memcmp(a.data, b.data, static_cast<std::size_t>(a.bytes)) == 0) return;
  const bool floats = is_float(a.dtype);
  const auto x = floats ? values(a) : std::vector<double>{};
  const auto y = floats ? values(b) : std::vector<double>{};
  const std::int64_t item = a.item_size();
  for (std::int64_t i = 0; i < a.shape.numel(); ++i) {
    if (std::memcmp(a.data + i * item, b.data + i * item, static_cast<std::size_t>(item)) == 0)
      continue;
    ++diff.differing;
    if (!floats) continue;
    const auto j = static_cast<std::size_t>(i);
    diff.max_abs = larger(diff.max_abs, std::abs(x[j] - y[j]));
  }
}

std::set<std::string> names_of(const ModelFiles& a, const ModelFiles& b) {
  std::set<std::string> names;
  for (const ModelFiles* files : {&a, &b})
    for (const auto& [name, tensor] : files->tensors()) names.insert(name);
  return names;
}

void diff_files(const ModelFiles& a, const ModelFiles& b, CheckpointDiff& diff) {
  for (const auto& name : names_of(a, b)) {
    const StoredTensor *x = a.find(name), *y = b.find(name);
    TensorDiff t;
    if (x && y) {
      t = diff_tensors(*x, *y);
    } else {
      t.name = name;
      t.reason = x ? "only in the first" : "only in the second";
    }
    if (t.reason.empty() && t.differing == 0)
      ++diff.same;
    else
      diff.tensors.push_back(t);
  }
}

}  // namespace

TensorDiff diff_tensors(const StoredTensor& a, const StoredTensor& b) {
  TensorDiff diff;
  diff.name = a.name;
  if (a.dtype != b.dtype || !(a.shape == b.shape)) {
    diff.reason =
        fmt::format("{} {} against {} {}", a.dtype, a.shape.str(), b.dtype, b.shape.str());
    return diff;
  }
  diff.elements = a.shape.numel();
  for (std::int64_t i = 0; i < diff.elements; i += kChunk) {
    const std::int64_t n = std::min(kChunk, diff.elements - i);
    compare_chunk(part(a, i, n), part(b, i, n), diff);
  }
  return diff;
}

CheckpointDiff diff_checkpoints(const Checkpoint& a, const Checkpoint& b) {
  CheckpointDiff diff;
  diff_files(a.model(), b.model(), diff);
  diff_files(a.optimizer(), b.optimizer(), diff);
  return diff;
}

}  // namespace gigatrain
