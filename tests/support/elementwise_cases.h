// Cases of the elementwise ops, of softmax, and of ops that pick elements: see op_cases.h.
#pragma once

#include "support/op_case.h"

namespace gigatrain::test {

inline OpCase unary_case(const std::string& name, Tensor (*f)(const Tensor&), const Input& input) {
  return {name, {input}, [f](const Tensors& in) { return Tensors{f(in[0])}; }, {}};
}

inline std::vector<OpCase> unary_cases(const Sizes& s) {
  using namespace ops;
  const Shape x{s.b, s.t, s.c};
  const Input plain{x}, positive{x, false, 2.0}, wide{x, false, 0.0, 6.0};
  std::vector<OpCase> cases = {
      unary_case("neg", neg, plain),           unary_case("abs", ops::abs, plain),
      unary_case("exp", ops::exp, plain),      unary_case("log", ops::log, positive),
      unary_case("sqrt", ops::sqrt, positive), unary_case("rsqrt", rsqrt, positive),
      unary_case("tanh", ops::tanh, plain),    unary_case("sigmoid", sigmoid, wide),
      unary_case("relu", relu, plain),
  };
  cases.push_back(unary_case("silu", silu, wide));
  cases.back().composed = [](const Tensors& in) { return Tensors{composed::silu(in[0])}; };
  for (const double p : {3.0, -2.0, 0.0, 1.0, 2.5}) {
    const bool any_base = p >= 0 && p != 2.5;
    cases.push_back({"pow " + std::to_string(p),
                     {any_base ? plain : positive},
                     [p](const Tensors& in) { return Tensors{ops::pow(in[0], p)}; },
                     {}});
  }
  return cases;
}

// 1 in about half of the elements, the same on every device.
inline Tensor test_mask(Device& device, const Shape& shape) {
  std::vector<std::uint8_t> mask;
  for (const double v : random_values(shape.numel(), "mask")) mask.push_back(v > 0 ? 7 : 0);
  return Tensor::from<std::uint8_t>(device, shape, mask);
}

inline std::vector<OpCase> choice_cases(const Sizes& s) {
  using namespace ops;
  const Shape x{s.b, s.t, s.c}, row{s.c};
  const Input plain{x};
  const auto where_of = [](const Shape& mask) {
    return [mask](const Tensors& in) {
      return Tensors{where(test_mask(in[0].device(), mask), in[0], in[1])};
    };
  };
  return {
      {"maximum",
       {plain, plain},
       [](const Tensors& in) { return Tensors{maximum(in[0], in[1])}; },
       {}},
      {"minimum broadcast",
       {{row}, plain},
       [](const Tensors& in) { return Tensors{minimum(in[0], in[1])}; },
       {}},
      {"where", {plain, plain}, where_of(x), {}},
      {"where broadcast", {plain, {row}}, where_of({s.t, 1}), {}},
      {"where, wide mask", {{row}, {{}}}, where_of(x), {}},
      {"where less",
       {plain, plain},
       [](const Tensors& in) {
         return Tensors{where(less(in[0], in[1]), scale(in[0], 2.0), scale(in[1], 2.0))};
       },
       {}},
      {"max", {plain}, [](const Tensors& in) { return Tensors{ops::max(in[0])}; }, {}},
      {"max of the last dim",
       {plain},
       [](const Tensors& in) { return Tensors{ops::max(in[0], {-1})}; },
       {}},
      {"max of dims",
       {plain},
       [](const Tensors& in) {
         return Tensors{ops::max(in[0], {0, 2})};
       },
       {}},
  };
}

inline std::vector<OpCase> softmax_cases(const Sizes& s) {
  using namespace ops;
  const Input x{{s.b, s.t, s.c}, false, 0.0, 4.0};
  return {
      {"softmax",
       {x},
       [](const Tensors& in) { return Tensors{softmax(in[0])}; },
       [](const Tensors& in) { return Tensors{composed::softmax(in[0])}; }},
      {"log_softmax",
       {x},
       [](const Tensors& in) { return Tensors{log_softmax(in[0])}; },
       [](const Tensors& in) { return Tensors{composed::log_softmax(in[0])}; }},
  };
}

inline std::vector<OpCase> pick_cases(const Sizes& s) {
  using namespace ops;
  const Input x{{s.b, s.t, s.c}};
  const auto gather_along = [](int dim, const Shape& shape, std::int64_t n) {
    return [=](const Tensors& in) {
      return Tensors{gather(in[0], dim, random_tokens(in[0].device(), shape, n, "gather"))};
    };
  };
  return {
      {"gather rows", {x}, gather_along(1, {s.b, 3 * s.t, s.c}, s.t), {}},
      {"gather columns", {x}, gather_along(-1, {s.b, s.t, 3}, s.c), {}},
      {"take",
       {{{s.vocab, s.c}}},
       [=](const Tensors& in) {
         return Tensors{take(in[0], random_tokens(in[0].device(), {s.t, 4}, s.vocab, "take"))};
       },
       {}},
      {"top_k", {x}, [](const Tensors& in) { return Tensors{top_k(in[0], 3).values}; }, {}},
      {"concat",
       {x, {{s.b, 2, s.c}}, x},
       [](const Tensors& in) {
         return Tensors{concat({in[0], in[1], in[2]}, 1)};
       },
       {}},
      {"permute",
       {x},
       [](const Tensors& in) {
         return Tensors{contiguous(permute(in[0], {2, 0, -2}))};
       },
       {}},
  };
}

}  // namespace gigatrain::test
