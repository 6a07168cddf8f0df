// One case of an op, and the sizes that the lists of cases (op_cases.h) are made for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "support/random.h"

namespace gigatrain::test {

using Tensors = std::vector<Tensor>;

struct Input {
  Shape shape;
  bool vector_f32 = false;  // biases and norm weights stay f32 beside 16-bit activations
  double offset = 0.0;      // added to values in (-1, 1)
  double factor = 1.0;
};

struct OpCase {
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensors(const Tensors&)> op;
  std::function<Tensors(const Tensors&)> composed;  // empty: the op is basic and runs in f64 itself
  double flops = 0;                                 // of the forward's products; 0: bound by memory
};

// small: a few hundred elements, odd sizes. Otherwise about the shapes of GPT-2 124M, B T = 1024.
struct Sizes {
  std::int64_t b, t, c, heads, kv_heads, vocab, inner;
  static Sizes small() { return {2, 5, 12, 4, 2, 11, 7}; }
  static Sizes model() { return {1, 1024, 768, 12, 12, 50257, 3072}; }
};

inline DropoutArgs test_dropout(const Sizes& s, float rate = 0.3f) {
  return {.rate = rate,
          .key = random_key(3, "dropout", "test"),
          .step = 5,
          .first_sample = 2,
          .rows_per_sample = s.t};
}

}  // namespace gigatrain::test
