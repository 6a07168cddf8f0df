// Comparing checkpoints tensor by tensor.
#include "gigatrain/train/checkpoint_diff.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "train/tiny_checkpoint.h"

using namespace gigatrain;
using namespace gigatrain::testing;

namespace {

template <class T>
CheckpointTensor stored(const char* dtype, const std::vector<T>& values) {
  CheckpointTensor t;
  t.name = "t";
  t.dtype = dtype;
  t.shape = Shape{static_cast<std::int64_t>(values.size())};
  // In two slices, as two ranks would have written it.
  const std::size_t half = values.size() / 2;
  for (const auto& [begin, end] : {std::pair{std::size_t{0}, half}, {half, values.size()}}) {
    if (begin == end) continue;
    StoredTensor slice;
    slice.dtype = dtype;
    slice.shape = Shape{static_cast<std::int64_t>(end - begin)};
    slice.data = reinterpret_cast<const std::byte*>(values.data() + begin);
    slice.bytes = static_cast<std::int64_t>((end - begin) * sizeof(T));
    t.slices.push_back({slice, static_cast<std::int64_t>(begin), 0});
  }
  return t;
}

TensorDiff diff(const std::vector<float>& a, const std::vector<float>& b) {
  return diff_tensors(stored("F32", a), stored("F32", b));
}

}  // namespace

TEST_CASE("diff: counts differing elements and their largest distance", "[unit]") {
  std::vector<float> a(40000, 1.0f), b = a;  // several pieces of work
  CHECK(diff(a, b).differing == 0);
  b[0] = 1.5f;
  b[39999] = -2.0f;
  const TensorDiff d = diff(a, b);
  CHECK(d.elements == 40000);
  CHECK(d.differing == 2);
  CHECK(d.max_abs == 3.0);
}

TEST_CASE("diff: bits decide, not values", "[unit]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(diff({0.0f}, {-0.0f}).differing == 1);
  CHECK(diff({0.0f}, {-0.0f}).max_abs == 0.0);
  CHECK(diff({nan}, {nan}).differing == 0);
  CHECK(std::isnan(diff({1, nan, 5}, {1, 2, 9}).max_abs));
  CHECK(std::isnan(diff({nan, 5}, {2, 9}).max_abs));
}

TEST_CASE("diff: integers are counted, other shapes and dtypes named", "[unit]") {
  const std::vector<std::int32_t> i = {1, 2}, j = {1, 3};
  CHECK(diff_tensors(stored("I32", i), stored("I32", j)).differing == 1);
  const std::vector<float> two = {1, 2}, one = {1};
  CHECK(diff(two, one).reason == "F32 (2) against F32 (1)");
  CHECK(diff_tensors(stored("I32", i), stored("F32", two)).reason == "I32 (2) against F32 (2)");
}

TEST_CASE("diff: two checkpoints", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const auto first = Checkpoint::open(write_checkpoint(root / "a", tiny.at(1)));
  CheckpointContents contents = tiny.at(2);  // weight 0 follows the step
  contents.optimizer.pop_back();
  contents.model.push_back({"extra", {tiny.bias.data(), DType::f32, {2}}});
  const auto second = Checkpoint::open(write_checkpoint(root / "b", contents));

  CHECK(diff_checkpoints(first, first).equal());
  CHECK(diff_checkpoints(first, first).same == 4);
  const CheckpointDiff d = diff_checkpoints(first, second);
  CHECK(d.same == 2);
  REQUIRE(d.tensors.size() == 3);
  CHECK(d.tensors[0].name == "extra");
  CHECK(d.tensors[0].reason == "only in the second");
  CHECK(d.tensors[1].name == "h.weight");
  CHECK(d.tensors[1].differing == 1);
  CHECK(d.tensors[1].max_abs == 1.0);
  CHECK(d.tensors[2].name == "h.bias.exp_avg");
  CHECK(d.tensors[2].reason == "only in the first");
}
