// The GPU's AdamW on the host SIMT machine: the CPU's bits.
#include "kernels/adamw.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

// Parameters of several sizes; every second one has a copy in bf16, and every fourth nothing else:
// its weight is rounded stochastically. `skipped` elements at the front of each array move its data
// away from a multiple of 16 bytes.
struct Parameters {
  std::vector<Array<float>> weight, grad, m, v;
  std::vector<Array<bf16>> compute;
  std::vector<AdamWTensor> tensors;

  explicit Parameters(const std::vector<std::int64_t>& sizes, std::int64_t skipped = 0) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto seed = static_cast<unsigned>(i);
      const Shape shape{sizes[i] + skipped};
      weight.push_back(random_array<float>(shape, seed));
      grad.push_back(random_array<float>(shape, 1000 + seed));
      m.push_back(random_array<float>(shape, 2000 + seed));
      v.push_back(random_array<float>(shape, 3000 + seed, 0, 2));
      compute.push_back(Array<bf16>(shape, bf16(3.0f)));
      tensors.push_back({.weight = weight[i].values.data() + skipped,
                         .grad = grad[i].values.data() + skipped,
                         .exp_avg = m[i].values.data() + skipped,
                         .exp_avg_sq = v[i].values.data() + skipped,
                         .compute = i % 2 ? compute[i].values.data() + skipped : nullptr,
                         .rounding = {seed, 9},
                         .numel = sizes[i],
                         .lr_scale = 1.0f + 0.5f * static_cast<float>(i),
                         .weight_decay = i % 3 ? 0.1f : 0.0f});
      if (i % 4 == 3) tensors.back().weight = nullptr;  // bf16 alone, rounded stochastically
    }
  }
  void step(Stream& stream, const double* clip) {
    const AdamWScalars scalars{.lr = 1e-2f, .correction1 = 5.0f, .correction2 = 500.0f, .step = 3};
    stream.submit(AdamW{.tensors = tensors.data(),
                        .count = static_cast<std::int64_t>(tensors.size()),
                        .scalars = &scalars,
                        .clip = clip});
  }
  Outputs outputs() const {
    Outputs all;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      for (const auto& values :
           {values_of(weight[i]), values_of(m[i]), values_of(v[i]), values_of(compute[i])})
        all.push_back(values);
    return all;
  }
};

const std::vector<std::int64_t> kSizes{3, 16384, 0, 20007, 1, 100, 8192};

void check(const std::vector<std::int64_t>& sizes, std::int64_t skipped, const double* clip) {
  compare_with_cpu(
      [&](Stream& stream) {
        Parameters p(sizes, skipped);
        for (int i = 0; i < 2; ++i) p.step(stream, clip);
        return p.outputs();
      },
      0.0);
}

TEST_CASE("simt: AdamW gives the CPU's bits", "[simt]") {
  const double clip[] = {2.0, static_cast<double>(0.3f)};
  check(kSizes, 0, nullptr);
  check(kSizes, 0, clip);
  check(kSizes, 1, clip);  // not aligned
  check({}, 0, clip);
  check(std::vector<std::int64_t>(130, 9), 0, clip);  // more than one launch
}

TEST_CASE("simt: AdamW changes nothing when the clip factor is NaN", "[simt]") {
  const double clip[] = {2.0, static_cast<double>(NAN)};
  const auto device = simt_device();
  Parameters p(kSizes);
  const Outputs before = p.outputs();
  p.step(device->stream(), clip);
  CHECK((p.outputs() == before));
}

}  // namespace
}  // namespace gigatrain::kernels
