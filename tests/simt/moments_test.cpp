// The GPU's AdamW with 8-bit moments and its Adafactor on the host SIMT machine.
#include "kernels/adafactor.h"
#include "kernels/dynamic_tree.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr UpdateScalars kScalars{
    .lr = 1e-2f, .correction1 = 0.9f, .correction2 = 500.0f, .step = 3};
const double kClip[] = {2.0, static_cast<double>(0.3f)};
const double kPoison[] = {2.0, static_cast<double>(NAN)};

// Weights and gradients; every second tensor has a copy in bf16, every third nothing else.
// `skipped` elements at the front move the data away from a multiple of 16 bytes.
template <class Tensor>
struct Weights {
  std::vector<Array<float>> weight, grad;
  std::vector<Array<bf16>> compute;
  std::vector<Tensor> tensors;

  Weights(const std::vector<std::int64_t>& sizes, std::int64_t skipped) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto seed = static_cast<unsigned>(i);
      const Shape shape{sizes[i] + skipped};
      weight.push_back(random_array<float>(shape, seed));
      grad.push_back(random_array<float>(shape, 1000 + seed));
      compute.push_back(Array<bf16>(shape, bf16(3.0f)));
      Tensor t;
      t.weight = i % 3 == 2 ? nullptr : weight[i].values.data() + skipped;
      t.grad = grad[i].values.data() + skipped;
      t.compute = i % 3 ? compute[i].values.data() + skipped : nullptr;
      t.rounding = {seed, 9};
      t.numel = sizes[i];
      t.weight_decay = 0.1f;
      tensors.push_back(t);
    }
  }
  void add_to(Outputs& all) const {
    for (std::size_t i = 0; i < tensors.size(); ++i)
      all.push_back(values_of(weight[i])), all.push_back(values_of(compute[i]));
  }
};

Outputs adamw8bit(Stream& stream, const std::vector<std::int64_t>& sizes, std::int64_t skipped,
                  const double* clip) {
  Weights<AdamW8bitTensor> w(sizes, skipped);
  std::vector<Array<std::uint8_t>> codes;
  std::vector<Array<float>> scales;
  for (const std::int64_t n : sizes)
    for (int i = 0; i < 2; ++i) {
      codes.push_back(Array<std::uint8_t>({n + skipped}, std::uint8_t{0}));
      scales.push_back(Array<float>({n / kStateBlock + 1}, 0.0f));
    }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    w.tensors[i].exp_avg = codes[2 * i].values.data() + skipped;
    w.tensors[i].exp_avg_sq = codes[2 * i + 1].values.data() + skipped;
    w.tensors[i].exp_avg_absmax = scales[2 * i].values.data();
    w.tensors[i].exp_avg_sq_absmax = scales[2 * i + 1].values.data();
  }
  std::vector<float> table;
  for (const bool signs : {true, false})
    for (const float code : dynamic_tree(signs)) table.push_back(code);
  for (int step = 0; step < 2; ++step)
    stream.submit(AdamW8bit{.tensors = w.tensors.data(),
                            .count = static_cast<std::int64_t>(sizes.size()),
                            .scalars = &kScalars,
                            .clip = clip,
                            .codes = table.data()});
  Outputs all;
  w.add_to(all);
  for (const auto& c : codes) all.emplace_back(c.values.begin(), c.values.end());
  for (const auto& s : scales) all.push_back(values_of(s));
  return all;
}

// A tensor in bf16 alone, updated in slices that begin at `borders`, each at a block of moments.
Outputs adamw8bit_in_slices(Stream& stream, const std::vector<std::int64_t>& borders) {
  const std::int64_t n = 9001;
  auto grad = random_array<float>({n}, 1), start = random_array<float>({n}, 2);
  Array<bf16> weight({n});
  for (std::int64_t i = 0; i < n; ++i) weight[i] = bf16(start[i]);
  Array<std::uint8_t> m({n}), v({n});
  Array<float> m_scales({36}, 0.0f), v_scales({36}, 0.0f);
  std::vector<AdamW8bitTensor> slices;
  for (std::size_t i = 0; i < borders.size(); ++i) {
    const std::int64_t begin = borders[i], end = i + 1 < borders.size() ? borders[i + 1] : n;
    slices.push_back({.grad = &grad[begin],
                      .exp_avg = &m[begin],
                      .exp_avg_sq = &v[begin],
                      .exp_avg_absmax = &m_scales[begin / kStateBlock],
                      .exp_avg_sq_absmax = &v_scales[begin / kStateBlock],
                      .compute = &weight[begin],
                      .rounding = {4, 9},
                      .numel = end - begin,
                      .first = begin});
  }
  std::vector<float> table;
  for (const bool signs : {true, false})
    for (const float code : dynamic_tree(signs)) table.push_back(code);
  stream.submit(AdamW8bit{.tensors = slices.data(),
                          .count = static_cast<std::int64_t>(slices.size()),
                          .scalars = &kScalars,
                          .codes = table.data()});
  return {values_of(weight), values_of(m), values_of(v), values_of(m_scales), values_of(v_scales)};
}

Outputs adafactor(Stream& stream, const std::vector<Shape>& shapes, std::int64_t skipped,
                  const double* clip, bool scale_parameter) {
  std::vector<std::int64_t> sizes;
  for (const Shape& s : shapes) sizes.push_back(s.numel());
  Weights<AdafactorTensor> w(sizes, skipped);
  std::vector<Array<float>> rows, cols;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto seed = static_cast<unsigned>(i);
    const std::int64_t width = shapes[i][-1];
    rows.push_back(random_array<float>({sizes[i] / width}, 50 + seed, 0.1f, 1));
    cols.push_back(random_array<float>({width}, 70 + seed, 0.1f, 1));
    w.tensors[i].cols = width;
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    w.tensors[i].row = shapes[i].dims() > 1 ? rows[i].values.data() : nullptr;
    w.tensors[i].col = cols[i].values.data();
  }
  stream.submit(Adafactor{.tensors = w.tensors.data(),
                          .count = static_cast<std::int64_t>(sizes.size()),
                          .scalars = &kScalars,
                          .clip = clip,
                          .threshold = 0.2f,
                          .scale_parameter = scale_parameter});
  Outputs all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    all.push_back(values_of(rows[i])), all.push_back(values_of(cols[i]));
    if (w.tensors[i].weight) all.push_back(values_of(w.weight[i]));
    // Weights in bf16 alone may round the other way after a sum in another order.
    if (w.tensors[i].weight && w.tensors[i].compute) all.push_back(values_of(w.compute[i]));
  }
  return all;
}

const std::vector<std::int64_t> kSizes{256, 9001, 0, 700, 3, 4096};
const std::vector<Shape> kShapes{{40, 20}, {300}, {5, 8}, {17, 260}, {1, 4}, {33, 1}};

TEST_CASE("simt: slices with 8-bit moments round as the whole does, on the CPU too", "[simt]") {
  Device cpu;
  const auto device = simt_device();
  const Outputs want = adamw8bit_in_slices(cpu.stream(), {0});
  CHECK((adamw8bit_in_slices(cpu.stream(), {0, 4096, 8192}) == want));
  CHECK((adamw8bit_in_slices(device->stream(), {0, 4096, 8192}) == want));
}

TEST_CASE("simt: AdamW with 8-bit moments gives the CPU's bits", "[simt]") {
  for (const std::int64_t skipped : {0, 1})
    for (const double* clip : {static_cast<const double*>(nullptr), kClip})
      compare_with_cpu([&](Stream& s) { return adamw8bit(s, kSizes, skipped, clip); }, 0.0);
}

TEST_CASE("simt: Adafactor agrees with the CPU's", "[simt]") {
  compare_with_cpu([](Stream& s) { return adafactor(s, kShapes, 0, kClip, false); }, 1e-5);
  compare_with_cpu([](Stream& s) { return adafactor(s, kShapes, 1, kClip, true); }, 1e-5);
  const std::vector<Shape> many(50, Shape{2, 8});  // more than one launch
  compare_with_cpu([&](Stream& s) { return adafactor(s, many, 0, nullptr, false); }, 1e-5);
}

TEST_CASE("simt: moments stay as they are when the clip factor is NaN", "[simt]") {
  const auto device = simt_device();
  const auto unchanged = [&](auto&& run) {
    Device cpu({.threads = 1});
    CHECK((run(device->stream(), kPoison) == run(cpu.stream(), kPoison)));
    CHECK((run(cpu.stream(), kPoison) != run(cpu.stream(), kClip)));
  };
  unchanged([](Stream& s, const double* clip) { return adamw8bit(s, kSizes, 0, clip); });
  unchanged([](Stream& s, const double* clip) { return adafactor(s, kShapes, 0, clip, true); });
}

}  // namespace
}  // namespace gigatrain::kernels
