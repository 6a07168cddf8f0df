// Attention three ways: cuDNN's (where it serves the shape and dtype), our portable kernel, and the
// composed definition in f64 on the CPU.

#include <catch2/catch.hpp>

#include "gpu/gpu_device.h"
#include "support/op_harness.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

struct AttentionShape {
  std::int64_t b, tq, tk, heads, kv_heads, d;
  bool causal;
};

// Head sizes that cuDNN takes and does not, grouped heads, a cache before the queries, lengths that
// divide nothing, a single token.
constexpr AttentionShape kShapes[] = {
    {2, 128, 128, 4, 4, 64, true}, {1, 300, 300, 4, 2, 64, true},  {2, 77, 77, 2, 1, 128, true},
    {1, 65, 200, 4, 4, 64, true},  {2, 96, 160, 4, 2, 32, false},  {1, 1, 130, 4, 4, 64, true},
    {2, 33, 33, 3, 3, 20, true},   {1, 257, 257, 2, 2, 96, false},
};

OpCase separate(const AttentionShape& s) {
  const ops::AttentionOptions o{.causal = s.causal};
  const Input q{{s.b, s.tq, s.heads, s.d}, false, 0.0, 2.0};
  const Input kv{{s.b, s.tk, s.kv_heads, s.d}, false, 0.0, 2.0};
  return {
      "attention",
      {q, kv, kv},
      [o](const Tensors& in) { return Tensors{ops::attention(in[0], in[1], in[2], o)}; },
      [o](const Tensors& in) { return Tensors{ops::composed::attention(in[0], in[1], in[2], o)}; }};
}

OpCase packed(const AttentionShape& s) {
  return {
      "attention packed",
      {{{s.b, s.tq, (s.heads + 2 * s.kv_heads) * s.d}, false, 0.0, 2.0}},
      [s](const Tensors& in) { return Tensors{ops::attention_packed(in[0], s.heads, s.kv_heads)}; },
      [s](const Tensors& in) {
        return Tensors{ops::composed::attention_packed(in[0], s.heads, s.kv_heads)};
      }};
}

// One row of sequences of these lengths, in three tensors or one.
struct SequencesShape {
  std::vector<std::int64_t> lengths;
  std::int64_t heads, kv_heads, d;
  bool causal;
};

const std::vector<SequencesShape> kSequences = {
    {{130, 1, 300, 77}, 4, 4, 64, true},
    {{130, 1, 300, 77}, 4, 4, 64, false},
    {{64, 64, 64}, 4, 2, 64, true},
    {{5, 0, 200, 0, 51}, 6, 2, 128, true},
    {{17}, 2, 2, 32, true},
    {{1, 1, 1, 2, 1, 3}, 2, 1, 48, true},
    {{100, 33}, 2, 2, 40, true},  // a head dim for our kernel
    {std::vector<std::int64_t>(50, 9), 3, 3, 16, false},
};

std::vector<OpCase> sequence_cases_of(const SequencesShape& s) {
  std::int64_t rows = 0;
  for (const std::int64_t length : s.lengths) rows += length;
  const ops::AttentionOptions o{.causal = s.causal, .lengths = s.lengths};
  const Input q{{1, rows, s.heads, s.d}, false, 0.0, 2.0};
  const Input kv{{1, rows, s.kv_heads, s.d}, false, 0.0, 2.0};
  return {{"attention lengths",
           {q, kv, kv},
           [o](const Tensors& in) { return Tensors{ops::attention(in[0], in[1], in[2], o)}; },
           [o](const Tensors& in) {
             return Tensors{ops::composed::attention(in[0], in[1], in[2], o)};
           }},
          {"attention packed lengths",
           {{{1, rows, (s.heads + 2 * s.kv_heads) * s.d}, false, 0.0, 2.0}},
           [s, o](const Tensors& in) {
             return Tensors{ops::attention_packed(in[0], s.heads, s.kv_heads, o)};
           },
           [s, o](const Tensors& in) {
             return Tensors{ops::composed::attention_packed(in[0], s.heads, s.kv_heads, o)};
           }}};
}

void check_close(const Evaluation& got, const Evaluation& want, double limit) {
  CHECK(relative_error(got.outputs, want.outputs) < limit);
  for (std::size_t i = 0; i < got.gradients.size(); ++i) {
    INFO("input " << i);
    CHECK(relative_error(got.gradients[i], want.gradients[i]) < 2 * limit);
  }
}

}  // namespace

TEST_CASE("gpu: attention by cuDNN and by our kernel agree with f64", "[gpu][attention]") {
  Device* library = gpu_device();
  if (!library) return;
  Device* portable = gpu_device({.portable_attention = true});
  REQUIRE(portable);
  Device cpu;
  for (const auto& s : kShapes) {
    std::vector<OpCase> cases{separate(s)};
    if (s.tq == s.tk && s.causal) cases.push_back(packed(s));
    for (const auto& c : cases) {
      const Evaluation truth = truth_of(cpu, c);
      for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
        INFO(c.name << " b " << s.b << " tq " << s.tq << " tk " << s.tk << " heads " << s.heads
                    << "/" << s.kv_heads << " d " << s.d << " causal " << s.causal << ", "
                    << name(dtype));
        const double limit = dtype == DType::f32 ? 1e-5 : 1e-2;
        for (Device* device : {library, portable}) {
          INFO((device == library ? "cuDNN" : "portable"));
          const Evaluation first = evaluate_on(*device, c, dtype);
          check_close(first, truth, limit);
          CHECK((evaluate_on(*device, c, dtype) == first));
        }
      }
    }
  }
}

TEST_CASE("gpu: sequences of different lengths in one row", "[gpu][attention]") {
  Device* library = gpu_device();
  if (!library) return;
  Device* portable = gpu_device({.portable_attention = true});
  REQUIRE(portable);
  Device cpu;
  for (const auto& s : kSequences)
    for (const auto& c : sequence_cases_of(s)) {
      const Evaluation truth = truth_of(cpu, c);
      for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
        INFO(c.name << " first " << s.lengths[0] << " of " << s.lengths.size() << " heads "
                    << s.heads << "/" << s.kv_heads << " d " << s.d << " causal " << s.causal
                    << ", " << name(dtype));
        const double limit = dtype == DType::f32 ? 1e-5 : 1e-2;
        for (Device* device : {library, portable}) {
          INFO((device == library ? "cuDNN" : "portable"));
          const Evaluation first = evaluate_on(*device, c, dtype);
          check_close(first, truth, limit);
          CHECK((evaluate_on(*device, c, dtype) == first));
        }
      }
    }
  // Which of them cuDNN served, for the log.
  int plans = 0;
  for (const auto& [problem, choice] : library->backend()->algorithms())
    if (problem.find("sequences in") != std::string::npos) ++plans;
  std::printf("cuDNN has %d plans for sequences of different lengths\n", plans);
}

TEST_CASE("gpu: a sequence among others has the bits that it has alone, in our kernel",
          "[gpu][attention]") {
  Device* gpu = gpu_device({.portable_attention = true});
  if (!gpu) return;
  const ops::AttentionOptions o{.lengths = {70, 1, 129}};
  const auto values = random_values(200 * 3 * 64, "rows");
  const Tensor all = ops::cast(tensor_of(*gpu, {1, 200, 3 * 64}, values, DType::f32), DType::bf16);
  const Tensor together = ops::attention_packed(all, 2, 2, o);
  std::int64_t first = 0;
  for (const std::int64_t length : o.lengths) {
    const Tensor one = ops::contiguous(ops::slice(all, 1, first, first + length));
    CHECK((ops::attention_packed(one, 2, 2).to_vector<double>() ==
           ops::contiguous(ops::slice(together, 1, first, first + length)).to_vector<double>()));
    first += length;
  }
}
