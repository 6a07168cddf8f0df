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

std::vector<double> values(const CheckpointTensor& tensor, std::int64_t begin, std::int64_t count) {
  std::vector<double> v(static_cast<std::size_t>(count));
  tensor.read(begin, TensorView(v.data(), DType::f64, {count}));
  return v;
}

// A NaN on either side stays; std::max would drop it on one.
double larger(double a, double b) {
  return std::isnan(a) || a >= b ? a : b;
}

// Elements as they lie in the files.
std::vector<std::byte> raw(const std::vector<StoredTensor>& pieces) {
  std::vector<std::byte> bytes;
  for (const auto& p : pieces) bytes.insert(bytes.end(), p.data, p.data + p.bytes);
  return bytes;
}

void compare_chunk(const CheckpointTensor& a, const CheckpointTensor& b, std::int64_t begin,
                   std::int64_t count, TensorDiff& diff) {
  const auto x = raw(a.pieces(begin, count)), y = raw(b.pieces(begin, count));
  if (x == y) return;
  const bool floats = is_float(a.dtype);
  const auto p = floats ? values(a, begin, count) : std::vector<double>{};
  const auto q = floats ? values(b, begin, count) : std::vector<double>{};
  const std::size_t item = x.size() / static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    if (std::memcmp(x.data() + i * item, y.data() + i * item, item) == 0) continue;
    ++diff.differing;
    if (floats) diff.max_abs = larger(diff.max_abs, std::abs(p[i] - q[i]));
  }
}

std::set<std::string> names_of(const Checkpoint& a, const Checkpoint& b, bool weights) {
  std::set<std::string> names;
  for (const Checkpoint* c : {&a, &b})
    for (const auto& [name, tensor] : c->tensors())
      if (tensor.weight == weights) names.insert(name);
  return names;
}

TensorDiff only_in(const std::string& name, const char* which) {
  TensorDiff diff;
  diff.name = name;
  diff.reason = fmt::format("only in the {}", which);
  return diff;
}

}  // namespace

TensorDiff diff_tensors(const CheckpointTensor& a, const CheckpointTensor& b) {
  TensorDiff diff;
  diff.name = a.name;
  if (a.dtype != b.dtype || !(a.shape == b.shape)) {
    diff.reason =
        fmt::format("{} {} against {} {}", a.dtype, a.shape.str(), b.dtype, b.shape.str());
    return diff;
  }
  diff.elements = a.shape.numel();
  for (std::int64_t i = 0; i < diff.elements; i += kChunk)
    compare_chunk(a, b, i, std::min(kChunk, diff.elements - i), diff);
  return diff;
}

CheckpointDiff diff_checkpoints(const Checkpoint& a, const Checkpoint& b) {
  CheckpointDiff diff;
  const auto add = [&](const TensorDiff& t) {
    if (t.reason.empty() && t.differing == 0)
      ++diff.same;
    else
      diff.tensors.push_back(t);
  };
  for (const bool weights : {true, false})
    for (const auto& name : names_of(a, b, weights)) {
      const CheckpointTensor *x = a.find(name), *y = b.find(name);
      add(x && y ? diff_tensors(*x, *y) : only_in(name, x ? "first" : "second"));
    }
  return diff;
}

}  // namespace gigatrain
