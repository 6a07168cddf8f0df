// Masks and segments of attention, over more than one block of queries and keys. Small cases with
// central differences: op_cases.h.

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "support/op_harness.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kB = 2, kHeads = 4, kKvHeads = 2, kD = 20;
using Options = std::function<ops::AttentionOptions(Device&)>;

OpCase attention_case(std::int64_t tq, std::int64_t tk, const Options& options) {
  const Input q{{kB, tq, kHeads, kD}}, kv{{kB, tk, kKvHeads, kD}};
  return {"attention",
          {q, kv, kv},
          [=](const Tensors& in) {
            return Tensors{ops::attention(in[0], in[1], in[2], options(in[0].device()))};
          },
          [=](const Tensors& in) {
            return Tensors{ops::composed::attention(in[0], in[1], in[2], options(in[0].device()))};
          }};
}

// Documents of some ten to hundred positions; of the last two one begins again with the first's id.
Tensor documents(Device& device, std::int64_t t) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < kB * t; ++i) {
    const std::int64_t at = i % t;
    ids.push_back(at < 13 ? 4 : at < 140 ? 5 : at < 141 ? 6 : at < 150 ? 9 : 4);
  }
  return Tensor::from<std::int32_t>(device, {kB, t}, ids);
}

void check_case(std::int64_t tq, std::int64_t tk, const Options& options) {
  CAPTURE(tq, tk);
  Device device({.threads = 2});
  const OpCase c = attention_case(tq, tk, options);
  const Evaluation truth = truth_of(device, c);
  const Evaluation f32 = evaluate_on(device, c, DType::f32);
  const Evaluation half = evaluate_on(device, c, DType::bf16);
  CHECK(relative_error(f32.outputs, truth.outputs) < 1e-6);
  CHECK(relative_error(half.outputs, truth.outputs) < 1e-2);
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    CHECK(relative_error(f32.gradients[i], truth.gradients[i]) < 3e-6);
    CHECK(relative_error(half.gradients[i], truth.gradients[i]) < 2e-2);
  }
}

std::vector<double> all_of(const Evaluation& e) {
  std::vector<double> all = e.outputs;
  for (const auto& g : e.gradients) all.insert(all.end(), g.begin(), g.end());
  return all;
}

}  // namespace

TEST_CASE("masked attention has the values of its definition", "[unit][ops][attention]") {
  check_case(200, 150, [](Device&) { return ops::AttentionOptions{.causal = false}; });
  check_case(70, 150, [](Device& device) {
    return ops::AttentionOptions{.causal = false, .mask = keep_mask(device, {kHeads, 70, 150})};
  });
  check_case(150, 150, [](Device& device) {
    return ops::AttentionOptions{.mask = bias_mask(device, {kB, 1, 150, 150}, DType::f32)};
  });
  check_case(150, 140, [](Device& device) {
    return ops::AttentionOptions{.causal = false, .mask = bias_mask(device, {140}, DType::bf16)};
  });
}

TEST_CASE("segments keep documents apart", "[unit][ops][attention]") {
  for (const bool causal : {true, false})
    check_case(170, 170, [causal](Device& device) {
      return ops::AttentionOptions{.causal = causal, .segments = documents(device, 170)};
    });
  check_case(170, 170, [](Device& device) {
    return ops::AttentionOptions{.mask = keep_mask(device, {170, 170}),
                                 .segments = documents(device, 170)};
  });
}

TEST_CASE("a keep-mask has the bits of a bias of 0 and -inf, whatever it repeats",
          "[unit][ops][attention]") {
  Device device({.threads = 2});
  const Shape rows{70, 150};
  const auto run = [&](const Tensor& mask) {
    return all_of(evaluate_on(device,
                              attention_case(70, 150,
                                             [mask](Device&) {
                                               return ops::AttentionOptions{.causal = false,
                                                                            .mask = mask};
                                             }),
                              DType::f32));
  };
  const Tensor keep = keep_mask(device, rows);
  const auto want = run(keep);
  auto bias = keep.to_vector<double>();
  for (double& x : bias) x = x != 0.0 ? 0.0 : -INFINITY;
  CHECK(run(tensor_of(device, rows, bias, DType::f32)) == want);
  CHECK(run(tensor_of(device, rows, bias, DType::bf16)) == want);
  std::vector<double> wide;  // every (b, h) its own copy
  for (std::int64_t i = 0; i < kB * kHeads; ++i) wide.insert(wide.end(), bias.begin(), bias.end());
  CHECK(run(tensor_of(device, {kB, kHeads, 70, 150}, wide, DType::f32)) == want);
}

TEST_CASE("segments are lengths, up to rounding", "[unit][ops][attention]") {
  Device device({.threads = 2});
  const std::vector<std::int64_t> lengths{70, 1, 129, 100};
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    ids.insert(ids.end(), static_cast<std::size_t>(lengths[i]), static_cast<std::int32_t>(i));
  Tensor x = random_tensor(device, {1, 300, 3 * 4 * 16}, "x");
  const auto by_length = ops::attention_packed(x, 4, 4, {.lengths = lengths}).to_vector<double>();
  const Tensor segments = Tensor::from<std::int32_t>(device, {1, 300}, ids);
  const auto by_id = ops::attention_packed(x, 4, 4, {.segments = segments}).to_vector<double>();
  CHECK(relative_error(by_id, by_length) < 1e-6);
}

TEST_CASE("a query that sees no key gives zeros and no gradient, however it is hidden",
          "[unit][ops][attention]") {
  Device device({.threads = 2});
  const double lowest = -3.4028234663852886e38;  // of f32, which some put in place of -inf
  for (const double hidden : {static_cast<double>(-INFINITY), lowest}) {
    std::vector<double> bias(70 * 150);
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = i / 150 == 69 ? 0.0 : hidden;
    const OpCase c = attention_case(70, 150, [&](Device& d) {
      return ops::AttentionOptions{.causal = false,
                                   .mask = tensor_of(d, {70, 150}, bias, DType::f32)};
    });
    const Evaluation e = evaluate_on(device, c, DType::f32);
    for (const double v : all_of(e)) REQUIRE(std::isfinite(v));
    for (std::size_t i = 0; i < e.outputs.size(); ++i) {
      const bool sees = i / (kHeads * kD) % 70 == 69;
      REQUIRE((e.outputs[i] != 0.0) == sees);
      REQUIRE((e.gradients[0][i] != 0.0) == sees);
    }
  }
  const OpCase nothing = attention_case(70, 150, [](Device& d) {
    return ops::AttentionOptions{
        .causal = false, .mask = Tensor::from<std::uint8_t>(d, {1}, std::vector<std::uint8_t>{0})};
  });
  for (const double v : all_of(evaluate_on(device, nothing, DType::bf16))) REQUIRE(v == 0.0);
}

TEST_CASE("attention refuses masks and segments that do not fit",
          "[unit][ops][attention][errors]") {
  Device device({.threads = 1});
  const Tensor q = random_tensor(device, {2, 5, 4, 8}, "q"),
               k = random_tensor(device, {2, 6, 4, 8}, "k");
  const auto refuses = [&](const ops::AttentionOptions& o, const auto& message) {
    CHECK_THROWS_WITH(ops::attention(q, k, k, o), message);
  };
  refuses({.mask = keep_mask(device, {5, 5})}, Contains("(2, 4, 5, 6)") && Contains("(5, 5)"));
  refuses({.mask = keep_mask(device, {1, 2, 4, 5, 6})}, Contains("(1, 2, 4, 5, 6)"));
  refuses({.mask = segment_ids(device, 5, 6)}, Contains("got i32"));
  Tensor learned = random_tensor(device, {5, 6}, "bias");
  learned.require_grad();
  refuses({.mask = learned}, Contains("mask.detach()"));
  refuses({.segments = segment_ids(device, 2, 6)}, Contains("got 5 and 6"));
  const auto refuses_self = [&](const ops::AttentionOptions& o, const auto& message) {
    CHECK_THROWS_WITH(ops::attention(q, q, q, o), message);
  };
  refuses_self({.segments = segment_ids(device, 1, 5)}, Contains("(2, 5), got (1, 5)"));
  refuses_self({.segments = keep_mask(device, {2, 5})}, Contains("i32, got u8"));
  refuses_self({.lengths = {4, 6}, .segments = segment_ids(device, 2, 5)},
               Contains("lengths take no mask"));
  CHECK_THROWS_WITH(ops::attention(k, q, q), Contains("got 6 and 5") && Contains("causal = false"));
}
