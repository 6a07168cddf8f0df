// The GPU's portable attention kernels on the host SIMT machine, beside the CPU's.
#include "kernels/attention.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

struct Sizes {
  std::int64_t b, tq, tk, h, h_kv, d;
  bool causal = true;
  Shape q() const { return {b, tq, h, d}; }
  Shape k() const { return {b, tk, h_kv, d}; }
};

// A (B, T, H, D) view of a larger array: rows `gap` elements apart beyond their H D.
struct Placing {
  std::int64_t first = 0, gap = 0;
};

template <class T>
struct Operand {
  Array<T> memory;
  TensorView view;
  Operand(const Shape& shape, const Placing& at, unsigned seed, float range)
      : memory(random_array<T>({at.first + shape[0] * shape[1] * (shape[2] * shape[3] + at.gap)},
                               seed, -range, range)) {
    const std::int64_t row = shape[2] * shape[3] + at.gap;
    view = TensorView(memory.values.data() + at.first, dtype_of<T>::value, shape);
    view.strides = {shape[1] * row, row, shape[3], 1};
  }
};

template <class T>
Outputs run_attention(Stream& stream, const Sizes& s, const Placing& at) {
  Operand<T> q(s.q(), at, 1, 0.7f), k(s.k(), at, 2, 2.0f), v(s.k(), at, 3, 2.0f);
  Operand<T> out(s.q(), at, 4, 9.0f), dout(s.q(), at, 5, 2.0f);
  Operand<T> dq(s.q(), at, 6, 9.0f), dk(s.k(), at, 7, 9.0f), dv(s.k(), at, 8, 9.0f);
  Array<float> lse({s.b, s.h, s.tq}, 9.0f);
  stream.submit(AttentionForward{.q = q.view,
                                 .k = k.view,
                                 .v = v.view,
                                 .out = out.view,
                                 .lse = lse.view(),
                                 .scale = 0.3f,
                                 .causal = s.causal});
  const Values forward = values_of(out.memory);
  Values sums = values_of(lse);
  for (double& x : sums)
    if (x == -INFINITY) x = -1e30;  // it saw no key; a number that can be compared
  // The backward starts from the same `out` on either device, any numbers.
  Operand<T> given(s.q(), at, 9, 1.0f);
  stream.submit(AttentionBackward{.q = q.view,
                                  .k = k.view,
                                  .v = v.view,
                                  .out = given.view,
                                  .lse = lse.view(),
                                  .dout = dout.view,
                                  .dq = dq.view,
                                  .dk = dk.view,
                                  .dv = dv.view,
                                  .scale = 0.3f,
                                  .causal = s.causal});
  return {forward, sums, values_of(dq.memory), values_of(dk.memory), values_of(dv.memory)};
}

template <class T>
void check(const Sizes& s, const Placing& at = {}) {
  CAPTURE(s.b, s.tq, s.tk, s.h, s.h_kv, s.d, s.causal, at.first, at.gap);
  compare_with_cpu([&](Stream& stream) { return run_attention<T>(stream, s, at); },
                   sizeof(T) == 2 ? 4e-3 : 2e-6);
}

TEMPLATE_TEST_CASE("simt: attention, tiles with rests", "[simt]", float, bf16) {
  check<TestType>({1, 1, 1, 1, 1, 1});
  check<TestType>({1, 70, 70, 1, 1, 32});
  check<TestType>({1, 64, 64, 1, 1, 64});
  check<TestType>({1, 33, 101, 2, 1, 20});        // a cache of earlier keys, odd for packs of bf16
  check<TestType>({1, 10, 70, 2, 2, 16, false});  // every query sees every key
  check<TestType>({1, 70, 9, 1, 1, 8, false});
}

TEMPLATE_TEST_CASE("simt: attention, heads and head dims", "[simt]", float, bf16) {
  check<TestType>({2, 9, 9, 6, 2, 3});
  check<TestType>({1, 17, 17, 2, 1, 5});
  check<TestType>({1, 20, 20, 1, 1, 33});
  check<TestType>({1, 20, 40, 2, 2, 128});
  check<TestType>({1, 12, 12, 1, 1, 200});  // two blocks of columns
}

TEMPLATE_TEST_CASE("simt: attention on slices", "[simt]", float, bf16) {
  check<TestType>({2, 20, 20, 2, 2, 16}, {.first = 64, .gap = 64});
  check<TestType>({2, 20, 20, 2, 2, 16}, {.first = 3, .gap = 0});  // no packs
  check<TestType>({2, 20, 20, 2, 2, 16}, {.first = 0, .gap = 5});
}

TEST_CASE("simt: queries that see no key, and no query or key at all", "[simt]") {
  check<float>({1, 70, 3, 1, 1, 4});
  check<float>({1, 0, 5, 2, 1, 4});
  check<float>({1, 5, 0, 2, 1, 4, false});
}

TEST_CASE("simt: large scores, and a forward without lse", "[simt]") {
  const Sizes s{1, 20, 70, 1, 1, 8};
  auto q = random_array<float>(s.q(), 1), k = random_array<float>(s.k(), 2);
  for (float& x : q.values) x *= 300.0f;
  compare_with_cpu(
      [&](Stream& stream) {
        Array<float> out(s.q());
        stream.submit(
            AttentionForward{.q = q.view(), .k = k.view(), .v = k.view(), .out = out.view()});
        return Outputs{values_of(out)};
      },
      1e-4);  // scores of some thousands carry their rounding into the exponent
}

TEST_CASE("simt: attention refuses shapes that do not belong together", "[simt]") {
  auto q = random_array<float>({1, 4, 3, 2}, 1), k = random_array<float>({1, 4, 2, 2}, 2);
  const auto device = simt_device();
  CHECK_THROWS_WITH(device->stream().submit(AttentionForward{
                        .q = q.view(), .k = k.view(), .v = k.view(), .out = q.view()}),
                    Catch::Matchers::Contains("multiple of Hkv"));
}

}  // namespace
}  // namespace gigatrain::kernels
