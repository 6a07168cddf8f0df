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

struct Masks {
  TensorView mask{}, segments{};
};

template <class T>
Outputs run_attention(Stream& stream, const Sizes& s, const Placing& at, const Masks& masks = {}) {
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
                                 .causal = s.causal,
                                 .mask = masks.mask,
                                 .segments = masks.segments});
  const Values forward = values_of(out.memory);
  Values sums = values_of(lse);
  for (double& x : sums)
    if (x == INFINITY) x = -1e30;  // it saw no key; a number that can be compared
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
                                  .causal = s.causal,
                                  .mask = masks.mask,
                                  .segments = masks.segments});
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

template <class T>
void check_masked(const Sizes& s, const Masks& masks) {
  CAPTURE(s.tq, s.tk, s.d, s.causal);
  compare_with_cpu([&](Stream& stream) { return run_attention<T>(stream, s, {}, masks); },
                   sizeof(T) == 2 ? 4e-3 : 2e-6);
}

TEMPLATE_TEST_CASE("simt: attention with masks", "[simt]", float, bf16) {
  const Sizes s{1, 20, 70, 2, 1, 8, false}, odd{1, 70, 9, 1, 1, 5, false};
  Array<std::uint8_t> keep({1, 1, s.tq, s.tk}, 1);
  for (std::int64_t i = 0; i < keep.size(); ++i) keep[i] = i / s.tk != 3 && i % 3 != 0;
  TensorView for_heads = keep.view();
  for_heads.shape = {s.b, s.h, s.tq, s.tk}, for_heads.strides[0] = for_heads.strides[1] = 0;
  check_masked<TestType>(s, {.mask = for_heads});
  auto bias = random_array<TestType>({1, 1, odd.tq, odd.tk}, 11);
  for (std::int64_t i = 0; i < odd.tk; ++i) bias[i] = TestType(-INFINITY);
  check_masked<TestType>(odd, {.mask = bias.view()});
}

TEMPLATE_TEST_CASE("simt: attention with segments", "[simt]", float, bf16) {
  const Sizes s{1, 80, 80, 1, 1, 8}, full{1, 80, 80, 1, 1, 8, false};
  Array<std::int32_t> packed({1, 80}, 3), mixed({1, 80}, 1);
  for (std::int64_t i = 0; i < 80; ++i) packed[i] = i < 64 ? 3 : 7, mixed[i] = i * i % 3 == 1;
  check_masked<TestType>(s, {.segments = packed.view()});
  check_masked<TestType>(full, {.segments = packed.view()});
  check_masked<TestType>(full, {.segments = mixed.view()});
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

// The outputs of one row's sequences: together, or each by a submit of its own.
template <class T>
Outputs run_sequences(Stream& stream, const Sizes& s, const std::vector<std::int64_t>& offsets,
                      bool together) {
  Operand<T> q(s.q(), {}, 1, 0.7f), k(s.k(), {}, 2, 2.0f), v(s.k(), {}, 3, 2.0f);
  Operand<T> out(s.q(), {}, 4, 9.0f), dout(s.q(), {}, 5, 2.0f);
  Operand<T> dq(s.q(), {}, 6, 9.0f), dk(s.k(), {}, 7, 9.0f), dv(s.k(), {}, 8, 9.0f);
  Operand<T> given(s.q(), {}, 9, 1.0f);  // the backward's `out`, the same on either device
  const auto submit = [&](std::int64_t first, std::int64_t rows, const TensorView& lse,
                          const std::int64_t* at, std::int64_t sequences) {
    const auto part = [&](const Operand<T>& x) {
      TensorView view = x.view;
      view.data = static_cast<T*>(view.data) + first * view.strides[1];
      view.shape[1] = rows;
      view.strides[0] = rows * view.strides[1];
      return view;
    };
    stream.submit(AttentionForward{.q = part(q),
                                   .k = part(k),
                                   .v = part(v),
                                   .out = part(out),
                                   .lse = lse,
                                   .scale = 0.3f,
                                   .causal = s.causal,
                                   .offsets = at,
                                   .sequences = sequences});
    stream.submit(AttentionBackward{.q = part(q),
                                    .k = part(k),
                                    .v = part(v),
                                    .out = part(given),
                                    .lse = lse,
                                    .dout = part(dout),
                                    .dq = part(dq),
                                    .dk = part(dk),
                                    .dv = part(dv),
                                    .scale = 0.3f,
                                    .causal = s.causal,
                                    .offsets = at,
                                    .sequences = sequences});
  };
  Array<float> lse({s.tq, s.h}, 9.0f);
  if (together) {
    submit(0, s.tq, lse.view(), offsets.data(), static_cast<std::int64_t>(offsets.size()) - 1);
  } else {
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      const std::int64_t rows = offsets[i + 1] - offsets[i];
      Array<float> own({1, s.h, rows}, 9.0f);
      submit(offsets[i], rows, own.view(), nullptr, 0);
      for (std::int64_t t = 0; t < rows; ++t)
        for (std::int64_t h = 0; h < s.h; ++h) lse[(offsets[i] + t) * s.h + h] = own[h * rows + t];
    }
  }
  return {values_of(out.memory), values_of(lse), values_of(dq.memory), values_of(dk.memory),
          values_of(dv.memory)};
}

TEMPLATE_TEST_CASE("simt: sequences of different lengths in one row", "[simt]", float, bf16) {
  const std::vector<std::int64_t> offsets{0, 70, 70, 71, 90};
  for (const bool causal : {true, false})
    for (const Sizes& s : {Sizes{1, 90, 90, 2, 1, 16, causal}, Sizes{1, 90, 90, 1, 1, 5, causal}}) {
      compare_with_cpu(
          [&](Stream& stream) { return run_sequences<TestType>(stream, s, offsets, true); },
          sizeof(TestType) == 2 ? 4e-3 : 2e-6);
      const auto device = simt_device();
      CHECK((run_sequences<TestType>(device->stream(), s, offsets, true) ==
             run_sequences<TestType>(device->stream(), s, offsets, false)));
    }
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
