// The GPU's AdamW, SGD and Lion on the host SIMT machine: the CPU's bits.
#include "kernels/update.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

// Parameters of several sizes; every second one has a copy, in f16 or bf16, and every fourth
// nothing else: its weight, in bf16, is rounded stochastically. `skipped` elements at the front of
// each array move its data away from a multiple of 16 bytes.
struct Parameters {
  std::vector<Array<float>> weight, grad, m, v;
  std::vector<Array<bf16>> compute;
  std::vector<Array<f16>> half;
  std::vector<UpdateTensor> tensors;

  explicit Parameters(const std::vector<std::int64_t>& sizes, std::int64_t skipped = 0) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto seed = static_cast<unsigned>(i);
      const Shape shape{sizes[i] + skipped};
      weight.push_back(random_array<float>(shape, seed));
      grad.push_back(random_array<float>(shape, 1000 + seed));
      m.push_back(random_array<float>(shape, 2000 + seed));
      v.push_back(random_array<float>(shape, 3000 + seed, 0, 2));
      compute.push_back(Array<bf16>(shape, bf16(3.0f)));
      half.push_back(Array<f16>(shape, f16(3.0f)));
      NarrowWeight copy;
      if (i % 4 == 1) copy = half[i].values.data() + skipped;
      if (i % 4 == 3) copy = compute[i].values.data() + skipped;
      tensors.push_back({.weight = weight[i].values.data() + skipped,
                         .grad = grad[i].values.data() + skipped,
                         .exp_avg = m[i].values.data() + skipped,
                         .exp_avg_sq = v[i].values.data() + skipped,
                         .compute = copy,
                         .rounding = {seed, 9},
                         .numel = sizes[i],
                         .first = static_cast<std::int64_t>(i) * 8192,
                         .lr_scale = 1.0f + 0.5f * static_cast<float>(i),
                         .weight_decay = i % 3 ? 0.1f : 0.0f});
      if (i % 4 == 3) tensors.back().weight = nullptr;  // bf16 alone, rounded stochastically
    }
  }
  template <class Rule>
  void step(Stream& stream, const double* clip, const Rule& rule) {
    const UpdateScalars scalars{.lr = 1e-2f, .correction1 = 5.0f, .correction2 = 500.0f, .step = 3};
    stream.submit(Update<Rule>{.tensors = tensors.data(),
                               .count = static_cast<std::int64_t>(tensors.size()),
                               .scalars = &scalars,
                               .clip = clip,
                               .rule = rule});
  }
  Outputs outputs() const {
    Outputs all;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      for (const auto& values : {values_of(weight[i]), values_of(m[i]), values_of(v[i]),
                                 values_of(compute[i]), values_of(half[i])})
        all.push_back(values);
    return all;
  }
};

const std::vector<std::int64_t> kSizes{3, 16384, 0, 20007, 1, 100, 8192};

// `states`: how many of m and v the rule has.
template <class Rule>
void check(const std::vector<std::int64_t>& sizes, std::int64_t skipped, const double* clip,
           const Rule& rule, int states) {
  compare_with_cpu(
      [&](Stream& stream) {
        Parameters p(sizes, skipped);
        for (auto& t : p.tensors) {
          if (states < 2) t.exp_avg_sq = nullptr;
          if (states < 1) t.exp_avg = nullptr;
        }
        for (int i = 0; i < 2; ++i) p.step(stream, clip, rule);
        return p.outputs();
      },
      0.0);
}

const double kClip[] = {2.0, static_cast<double>(0.3f)};

TEST_CASE("simt: AdamW gives the CPU's bits", "[simt]") {
  check(kSizes, 0, nullptr, AdamWRule{}, 2);
  check(kSizes, 0, kClip, AdamWRule{}, 2);
  check(kSizes, 1, kClip, AdamWRule{}, 2);  // not aligned
  check({}, 0, kClip, AdamWRule{}, 2);
  check(std::vector<std::int64_t>(130, 9), 0, kClip, AdamWRule{}, 2);  // more than one launch
}

TEST_CASE("simt: SGD and Lion give the CPU's bits", "[simt]") {
  const std::vector<std::int64_t> sizes{3, 9000, 0, 8192, 1};
  check(sizes, 0, kClip, SgdRule{}, 0);
  check(sizes, 0, kClip, SgdRule{.momentum = 0.9f, .nesterov = true}, 1);
  check(sizes, 1, kClip, SgdRule{.momentum = 0.9f, .decoupled = true, .clips = false}, 1);
  check(sizes, 0, kClip, LionRule{}, 1);
  check(sizes, 1, nullptr, LionRule{}, 1);
}

TEST_CASE("simt: nothing changes when the clip factor is NaN", "[simt]") {
  const double clip[] = {2.0, static_cast<double>(NAN)};
  const auto device = simt_device();
  Parameters p(kSizes);
  const Outputs before = p.outputs();
  p.step(device->stream(), clip, AdamWRule{});
  p.step(device->stream(), clip, SgdRule{.clips = false});
  p.step(device->stream(), clip, LionRule{});
  CHECK((p.outputs() == before));
}

}  // namespace
}  // namespace gigatrain::kernels
