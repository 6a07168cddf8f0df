// Sources of any tensors: purity, coverage, the values that come in.

#include "gigatrain/train/batch_source.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "gigatrain/base/error.h"
#include "gigatrain/train/array_source.h"
#include "gigatrain/train/function_source.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kRows = 23;

// Row r holds r in every field, so that a sample tells which row it is.
ArraySource counting(const ArraySourceOptions& options) {
  std::vector<float> x(kRows * 6);
  std::vector<std::int32_t> label(kRows);
  std::vector<std::uint8_t> image(kRows * 2);
  for (std::size_t r = 0; r < kRows; ++r) {
    std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(r * 6), 6, static_cast<float>(r));
    label[r] = static_cast<std::int32_t>(r);
    image[2 * r] = image[2 * r + 1] = static_cast<std::uint8_t>(r);
  }
  return ArraySource({array<float>("x", {kRows, 2, 3}, x), array("label", {kRows}, label),
                      array("image", {kRows, 2}, image)},
                     options);
}

std::vector<std::int32_t> labels_of(const BatchSource& source, std::int64_t step) {
  const HostBatch host(source.fields(), source.global_batch());
  source.fill(step, 0, source.global_batch(), host.pointers());
  const auto* label = static_cast<const std::int32_t*>(host.pointers()[1]);
  const auto* x = static_cast<const float*>(host.pointers()[0]);
  const auto* image = static_cast<const std::uint8_t*>(host.pointers()[2]);
  for (std::int64_t i = 0; i < source.global_batch(); ++i) {  // all fields are of one row
    CHECK(x[6 * i + 5] == static_cast<float>(label[i]));
    CHECK(image[2 * i + 1] == label[i]);
  }
  return {label, label + source.global_batch()};
}

}  // namespace

TEST_CASE("array source: every sample once an epoch, in another order each",
          "[unit][train][batch_source]") {
  const ArraySource source = counting({.global_batch = 5, .seed = 3});
  CHECK(source.fields()[0].shape == Shape{2, 3});
  CHECK(source.fields()[2].dtype == DType::u8);
  std::vector<std::int32_t> seen;
  for (std::int64_t step = 0; step < kRows; ++step)  // 23 steps of 5: five epochs
    for (const auto id : labels_of(source, step)) seen.push_back(id);
  std::vector<std::vector<std::int32_t>> epochs;
  for (std::int64_t e = 0; e < 5; ++e) {
    std::vector<std::int32_t> epoch(seen.begin() + e * kRows, seen.begin() + (e + 1) * kRows);
    epochs.push_back(epoch);
    std::sort(epoch.begin(), epoch.end());
    std::vector<std::int32_t> all(kRows);
    std::iota(all.begin(), all.end(), 0);
    CHECK(epoch == all);
  }
  CHECK(epochs[0] != epochs[1]);
  CHECK(labels_of(counting({.global_batch = 5, .seed = 3}), 7) == labels_of(source, 7));
  CHECK(labels_of(counting({.global_batch = 5, .seed = 4}), 7) != labels_of(source, 7));
}

TEST_CASE("array source: any split of a step reads the same samples",
          "[unit][train][batch_source]") {
  const ArraySource source = counting({.global_batch = 6, .seed = 1});
  const auto whole = labels_of(source, 11);
  const HostBatch part(source.fields(), 2);
  for (std::int64_t first = 4; first >= 0; first -= 2) {
    source.fill(11, first, 2, part.pointers());
    const auto* label = static_cast<const std::int32_t*>(part.pointers()[1]);
    CHECK(std::equal(label, label + 2, whole.begin() + first));
  }
}

TEST_CASE("array source: evaluation sees the rows in order", "[unit][train][batch_source]") {
  const ArraySource source = counting({.global_batch = 5});
  const HostBatch host(source.fields(), 4);
  REQUIRE(source.eval_samples() == kRows);
  source.fill_eval(20, 3, host.pointers());
  const auto* label = static_cast<const std::int32_t*>(host.pointers()[1]);
  CHECK(std::vector<std::int32_t>(label, label + 3) == std::vector<std::int32_t>{20, 21, 22});
  CHECK_THROWS_WITH(source.fill_eval(21, 3, host.pointers()), Contains("[0, 23)"));
}

TEST_CASE("array source: the digest names the values, the dtype and the shape",
          "[unit][train][batch_source]") {
  const auto digest = [](const Shape& shape, float last) {
    return ArraySource({array<float>("x", shape, {1, 2, 3, last})}, {}).digest();
  };
  CHECK(digest({4}, 4) == digest({4}, 4));
  CHECK(digest({4}, 4) != digest({4}, 5));
  CHECK(digest({4}, 4) != digest({4, 1}, 4));
}

TEST_CASE("array source: arrays that do not fit are named", "[unit][train][batch_source][errors]") {
  const auto x = array<float>("x", {2, 2}, {1, 2, 3, 4});
  const auto make = [](std::vector<NamedArray> arrays, ArraySourceOptions o = {}) {
    return ArraySource(std::move(arrays), o);
  };
  CHECK_THROWS_WITH(make({}), Contains("at least one field"));
  CHECK_THROWS_WITH(make({x, array<float>("y", {3}, {1, 2, 3})}),
                    Contains("'y'") && Contains("2, got 3"));
  CHECK_THROWS_WITH(make({x, x}), Contains("two fields have the name 'x'"));
  CHECK_THROWS_WITH(make({x}, {.global_batch = 0}), Contains("global_batch"));
  CHECK_THROWS_WITH(make({x}, {.terms = "x"}), Contains("must be i32, got f32"));
  CHECK_THROWS_WITH(make({x}, {.terms = "z"}), Contains("'z'") && Contains("have: x"));
  CHECK_THROWS_WITH(make({array<float>("x", {2, 2}, {1, 2, NAN, 4})}),
                    Contains("'x' must be finite, got nan in sample 1, element 0"));
  CHECK_THROWS_WITH(make({array<double>("x", {1}, {INFINITY})}), Contains("got inf"));
  CHECK_THROWS_WITH(array<float>("x", {3}, {1, 2}), Contains("takes 3 values, got 2"));
}

TEST_CASE("loss terms are samples, or the labels that are not ignored",
          "[unit][train][batch_source]") {
  const std::vector<std::int32_t> labels{0, -1, 2, -1, -1, 1};
  const auto terms = [&](const std::string& field) {
    const ArraySource source({array<std::int32_t>("label", {3, 2}, labels)},
                             {.global_batch = 3, .terms = field});
    const HostBatch host(source.fields(), 3);
    source.fill(0, 0, 3, host.pointers());
    return source.loss_terms(3, host.pointers());
  };
  CHECK(terms("") == 3);
  CHECK(terms("label") == 3);
}

TEST_CASE("function source: what the function makes, checked", "[unit][train][batch_source]") {
  const auto fill = [](std::int64_t step, std::int64_t first, std::int64_t count,
                       FieldPointers out) {
    for (std::int64_t i = 0; i < count; ++i) {
      const auto x = static_cast<float>(100 * step + first + i);
      static_cast<float*>(out[0])[i] = x == 101.0f ? NAN : x;
    }
  };
  const FunctionSourceOptions options{
      .name = "count", .fields = {{"x", DType::f32, {}}}, .global_batch = 4, .eval_samples = 3};
  const FunctionSource source(fill, options);
  const HostBatch host(source.fields(), 4);
  source.fill(0, 1, 2, host.pointers());
  CHECK(static_cast<const float*>(host.pointers()[0])[1] == 2.0f);
  CHECK_THROWS_WITH(source.fill(1, 0, 2, host.pointers()), Contains("got nan in sample 1"));
  CHECK_THROWS_WITH(source.fill(0, 3, 2, host.pointers()), Contains("asked for 2 from 3"));
  source.fill_eval(0, 3, host.pointers());
  auto other = options;
  other.name = "count 2";
  CHECK(FunctionSource(fill, other).digest() != source.digest());
  other.name.clear();
  CHECK_THROWS_WITH(FunctionSource(fill, other), Contains("a name that stands for its data"));
}
