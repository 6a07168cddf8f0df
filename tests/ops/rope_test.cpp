// Frequencies of rotary embeddings beside Hugging Face's formulas, written as there
// (modeling_rope_utils.py), and when qk_norm_rope works in place.

#include <catch2/catch.hpp>

#include <cmath>
#include <utility>

#include "gigatrain/ops/composed.h"
#include "gigatrain/tensor/node.h"
#include "support/op_harness.h"

using namespace gigatrain;
using namespace gigatrain::test;
using ops::RopeOptions;
using ops::RopeScaling;
using Kind = RopeScaling::Kind;

namespace {

std::vector<double> default_inv_freq(double base, int dim) {
  std::vector<double> inv_freq;
  for (int i = 0; i < dim; i += 2) inv_freq.push_back(1.0 / std::pow(base, double(i) / dim));
  return inv_freq;
}

void check_frequencies(const RopeOptions& o, const std::vector<double>& want, double factor = 1.0,
                       std::int64_t length = 2048) {
  const auto got = ops::rope_frequencies(o, 128, length);
  CHECK(got.attention_factor == Approx(factor).epsilon(1e-14));
  REQUIRE(got.radians.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(got.radians[i] == Approx(want[i]).epsilon(1e-13));
  }
}

}  // namespace

TEST_CASE("rope frequencies without scaling, of a part, and linear", "[unit][ops][rope]") {
  check_frequencies({}, default_inv_freq(10000.0, 128));
  check_frequencies({.theta = 500000.0, .rotary_dims = 32}, default_inv_freq(500000.0, 32));
  auto want = default_inv_freq(10000.0, 128);
  for (double& f : want) f /= 8.0;
  check_frequencies({.scaling = {.kind = Kind::linear, .factor = 8.0}}, want);
}

TEST_CASE("rope frequencies, dynamic NTK", "[unit][ops][rope]") {
  const RopeOptions o{
      .scaling = {.kind = Kind::dynamic, .factor = 2.0, .original_positions = 2048}};
  check_frequencies(o, default_inv_freq(10000.0, 128), 1.0, 100);  // not before they are used
  const double seq_len = 6000.0;
  const double base = 10000.0 * std::pow((2.0 * seq_len / 2048.0) - (2.0 - 1.0), 128.0 / 126.0);
  check_frequencies(o, default_inv_freq(base, 128), 1.0, 6000);
}

TEST_CASE("rope frequencies, llama3", "[unit][ops][rope]") {  // Llama 3.2's parameters
  const double factor = 32.0, low = 1.0, high = 4.0, old_context_len = 8192.0;
  auto want = default_inv_freq(500000.0, 128);
  for (double& inv_freq : want) {
    const double wavelen = 2.0 * M_PI / inv_freq;
    if (wavelen > old_context_len / low) {
      inv_freq /= factor;
    } else if (wavelen >= old_context_len / high) {
      const double smooth = (old_context_len / wavelen - low) / (high - low);
      inv_freq = (1.0 - smooth) * inv_freq / factor + smooth * inv_freq;
    }
  }
  check_frequencies({.theta = 500000.0,
                     .scaling = {.kind = Kind::llama3, .factor = 32.0, .original_positions = 8192}},
                    want);
}

TEST_CASE("rope frequencies, yarn", "[unit][ops][rope]") {
  const double factor = 4.0, base = 1e6, dim = 128.0;
  const auto correction_dim = [&](double rotations) {
    return dim * std::log(32768.0 / (rotations * 2.0 * M_PI)) / (2.0 * std::log(base));
  };
  for (const bool truncate : {true, false}) {
    double low = correction_dim(32.0), high = correction_dim(1.0);
    if (truncate) low = std::floor(low), high = std::ceil(high);
    auto want = default_inv_freq(base, 128);
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double ramp = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
      const double extrapolation_factor = 1.0 - ramp;
      want[i] = want[i] / factor * (1.0 - extrapolation_factor) + want[i] * extrapolation_factor;
    }
    RopeOptions o{.theta = base,
                  .scaling = {.kind = Kind::yarn,
                              .factor = factor,
                              .original_positions = 32768,
                              .truncate = truncate}};
    check_frequencies(o, want, 0.1 * std::log(4.0) + 1.0);
    o.scaling.mscale = 0.7, o.scaling.mscale_all_dim = 2.0;
    check_frequencies(o, want, (0.07 * std::log(4.0) + 1.0) / (0.2 * std::log(4.0) + 1.0));
    o.scaling.attention_factor = 1.5;
    check_frequencies(o, want, 1.5);
  }
}

TEST_CASE("qk_norm_rope works in place only where nobody else sees it", "[unit][ops][rope]") {
  Device device({.threads = 1});
  const Shape shape{2, 3, 4 * 8};
  const auto turn = [](Tensor x) { return ops::qk_norm_rope(std::move(x), 2, 1); };
  Tensor x = random_tensor(device, shape, "x");
  const auto before = x.to_vector<float>();
  const Tensor y = turn(x);  // x is still held here
  CHECK_FALSE(y.same_storage(x));
  CHECK((x.to_vector<float>() == before));
  const auto want = y.to_vector<float>();

  const void* memory = x.view().data;
  const Tensor same = turn(std::move(x));
  CHECK(same.view().data == memory);
  CHECK((same.to_vector<float>() == want));

  Tensor leaf = random_tensor(device, shape, "x");
  leaf.require_grad();
  Tensor kept = ops::exp(leaf);  // its backward reads its result
  memory = kept.view().data;
  CHECK(turn(std::move(kept)).view().data != memory);
  Tensor free = ops::scale(leaf, 2.0);
  memory = free.view().data;
  CHECK(turn(std::move(free)).view().data == memory);
  Tensor viewed = ops::scale(leaf, 2.0);
  const Tensor part = ops::slice(viewed, 1, 0, 1);
  memory = viewed.view().data;
  CHECK(turn(std::move(viewed)).view().data != memory);

  Tensor normed = ops::scale(leaf, 2.0);  // the norm's backward reads it
  memory = normed.view().data;
  const Tensor weight = Tensor::full(device, {8}, 1.0);
  CHECK(ops::qk_norm_rope(std::move(normed), 2, 1, {}, weight, weight).view().data != memory);
}

TEST_CASE("the gradient of rope leaves a gradient that others hold", "[unit][ops][rope]") {
  Device device({.threads = 1});
  Tensor x = random_tensor(device, {1, 3, 2, 8}, "x");
  x.require_grad();
  const Tensor dy = random_tensor(device, {1, 3, 2, 8}, "dy");
  const auto before = dy.to_vector<float>();
  backward(ops::rope(x, {.first_position = 5}), dy);
  CHECK((dy.to_vector<float>() == before));
  CHECK((x.leaf()->gradient.to_vector<float>() != before));
}

TEST_CASE("rope ops refuse what does not fit", "[unit][ops][rope][errors]") {
  using Catch::Matchers::Contains;
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {2, 3, 4, 8}, "x");
  const Tensor qkv = random_tensor(device, {2, 3, 32}, "qkv");
  CHECK_THROWS_WITH(ops::rope(qkv), Contains("(B, T, H, D)") && Contains("(2, 3, 32)"));
  CHECK_THROWS_WITH(ops::rope(x, {.rotary_dims = 7}), Contains("even") && Contains("got 7"));
  CHECK_THROWS_WITH(ops::rope(x, {.rotary_dims = 10}), Contains("8 elements"));
  CHECK_THROWS_WITH(ops::rope(x, {.theta = -1.0}), Contains("theta must be positive"));
  CHECK_THROWS_WITH(ops::rope(x, {.scaling = {.kind = Kind::yarn}}),
                    Contains("original_positions"));
  CHECK_THROWS_WITH(ops::rope(x, {.positions = random_tokens(device, {3, 2}, 9, "p")}),
                    Contains("positions") && Contains("(2, 3)"));
  CHECK_THROWS_WITH(ops::rope(random_tensor(device, {1, 1, 1, 514}, "x")), Contains("514"));
  CHECK_THROWS_WITH(ops::qk_norm_rope(qkv, 3, 1), Contains("(3 + 2 * 1) D"));
  CHECK_THROWS_WITH(ops::qk_norm_rope(qkv, 2, 1, {}, Tensor::full(device, {4}, 1.0)),
                    Contains("(8)") && Contains("(4)"));
  CHECK_THROWS_WITH(ops::swiglu(random_tensor(device, {2, 7}, "x")), Contains("(2, 7)"));
  CHECK_THROWS_WITH(ops::swiglu(x, qkv), Contains("(2, 3, 4, 8)") && Contains("(2, 3, 32)"));
}
