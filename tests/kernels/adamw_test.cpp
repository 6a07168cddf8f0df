// AdamW over several tensors against its formula in f64.
#include "kernels/adamw.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

struct Parameters {
  std::vector<Array<float>> weight, grad, m, v;
  std::vector<AdamWTensor> tensors;

  explicit Parameters(const std::vector<std::int64_t>& sizes) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto seed = static_cast<unsigned>(i);
      weight.push_back(random_array<float>({sizes[i]}, seed));
      grad.push_back(random_array<float>({sizes[i]}, 100 + seed));
      m.push_back(random_array<float>({sizes[i]}, 200 + seed));
      v.push_back(random_array<float>({sizes[i]}, 300 + seed, 0, 2));
    }
    for (std::size_t i = 0; i < sizes.size(); ++i)
      tensors.push_back({weight[i].values.data(), grad[i].values.data(), m[i].values.data(),
                         v[i].values.data(), sizes[i], 1.0f + 0.5f * static_cast<float>(i),
                         i % 2 ? 0.1f : 0.0f});
  }
  void step(Stream& stream, const AdamWScalars& scalars) {
    stream.submit(AdamW{.tensors = tensors.data(),
                        .count = static_cast<std::int64_t>(tensors.size()),
                        .scalars = &scalars});
  }
};

const std::vector<std::int64_t> kSizes{3, 16384, 0, 40007, 1, 100};
constexpr AdamWScalars kScalars{
    .lr = 1e-2f, .clip = 0.5f, .correction1 = 5.0f, .correction2 = 500.0f};

TEST_CASE("AdamW follows its formula", "[unit][kernels]") {
  Parameters p(kSizes);
  const Parameters before(kSizes);
  Device device;
  p.step(device.stream(), kScalars);
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    std::vector<double> w, m, v;
    for (std::int64_t e = 0; e < kSizes[i]; ++e) {
      const double g = before.grad[i].at(e) * 0.5, old = before.weight[i].at(e);
      m.push_back(0.9 * before.m[i].at(e) + 0.1 * g);
      v.push_back(0.999 * before.v[i].at(e) + 0.001 * g * g);
      const double step = m.back() * 5 / (std::sqrt(v.back() * 500) + 1e-8);
      w.push_back(old - 1e-2 * before.tensors[i].lr_scale *
                            (step + before.tensors[i].weight_decay * old));
    }
    CAPTURE(i);
    CHECK(relative_error(p.weight[i], w) < 2e-7);
    CHECK(relative_error(p.m[i], m) < 2e-7);
    CHECK(relative_error(p.v[i], v) < 2e-7);
  }
}

TEST_CASE("AdamW with a rate of zero leaves the weights alone", "[unit][kernels]") {
  Parameters p({50});
  const auto before = p.weight[0].values;
  Device device;
  p.step(device.stream(), {.lr = 0.0f});
  CHECK(p.weight[0].values == before);
}

TEST_CASE("AdamW gives the same bits everywhere", "[unit][kernels]") {
  check_same_bits([](Stream& stream) {
    Parameters p(kSizes);
    for (int i = 0; i < 3; ++i) p.step(stream, kScalars);
    Bytes bytes;
    for (std::size_t i = 0; i < kSizes.size(); ++i) {
      const Bytes part = bytes_of(p.weight[i], p.m[i], p.v[i]);
      bytes.insert(bytes.end(), part.begin(), part.end());
    }
    return bytes;
  });
}

}  // namespace
}  // namespace gigatrain::kernels
