// What a backward makes again instead of keeping it: the same bits, and the memory is free
// meanwhile.
#include <catch2/catch.hpp>

#include <functional>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;

namespace {

constexpr std::int64_t kRows = 9, kColumns = 24;

struct Weights {
  Tensor x, w, vector, out;
  std::vector<std::vector<float>> gradients() const {
    std::vector<std::vector<float>> all;
    for (const auto* t : {&x, &w, &vector, &out})
      all.push_back(t->leaf()->filled ? t->leaf()->gradient.to_vector<float>()
                                      : std::vector<float>{});
    return all;
  }
};

Weights weights(Device& device, DType dtype) {
  const auto make = [&](const Shape& shape, const char* name, DType type) {
    Tensor t = ops::cast(test::random_tensor(device, shape, name), type);
    return t.detach().require_grad();
  };
  return {.x = make({kRows, kColumns}, "x", dtype),
          .w = make({kColumns, kColumns}, "w", dtype),
          .vector = make({kColumns}, "v", DType::f32),
          .out = make({8, kColumns}, "out", dtype)};
}

using Function = std::function<Tensor(const Weights&)>;

// A view of a tensor is kept as it is.
std::vector<std::vector<float>> gradients(Device& device, DType dtype, const Function& f,
                                          bool keep) {
  const Weights all = weights(device, dtype);
  Tensor y = f(all);
  const Tensor z = ops::linear(keep ? ops::reshape(y, y.shape()) : y, all.out, {});
  const std::int64_t before = device.allocator().stats().total.now, size = y.view().bytes();
  y = {};
  CHECK(before - device.allocator().stats().total.now >= (keep ? 0 : size));
  backward(ops::sum(ops::mul(z, z)));
  return all.gradients();
}

}  // namespace

TEST_CASE("what is made again in the backward has the bits of what would have been kept",
          "[unit][tensor][bits]") {
  Device device({.threads = 1});
  const std::vector<std::pair<const char*, Function>> functions = {
      {"linear and GELU",
       [](const Weights& a) { return ops::linear(a.x, a.w, a.vector, {.gelu = true}); }},
      {"GELU", [](const Weights& a) { return ops::gelu(ops::linear(a.x, a.w, {})); }},
      {"SwiGLU", [](const Weights& a) { return ops::swiglu(ops::linear(a.x, a.w, {}), a.x); }},
      {"LayerNorm", [](const Weights& a) { return ops::layer_norm(a.x, a.vector, a.vector); }},
      {"residual RMSNorm",
       [](const Weights& a) {
         return ops::residual_rms_norm(a.x, ops::linear(a.x, a.w, {}), a.vector, 1e-5f).y;
       }},
  };
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [what, f] : functions) {
      if (dtype == DType::bf16 && f(weights(device, dtype)).source() == nullptr) continue;
      CAPTURE(what, name(dtype));
      CHECK(gradients(device, dtype, f, false) == gradients(device, dtype, f, true));
    }
}
