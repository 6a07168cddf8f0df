// AdamW over several tensors against its formula in f64.
#include "kernels/update.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

struct Parameters {
  std::vector<Array<float>> weight, grad, m, v;
  std::vector<Array<bf16>> compute;
  std::vector<UpdateTensor> tensors;

  explicit Parameters(const std::vector<std::int64_t>& sizes) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto seed = static_cast<unsigned>(i);
      weight.push_back(random_array<float>({sizes[i]}, seed));
      grad.push_back(random_array<float>({sizes[i]}, 100 + seed));
      m.push_back(random_array<float>({sizes[i]}, 200 + seed));
      v.push_back(random_array<float>({sizes[i]}, 300 + seed, 0, 2));
      compute.emplace_back(Shape{sizes[i]});
    }
    for (std::size_t i = 0; i < sizes.size(); ++i)
      tensors.push_back({.weight = weight[i].values.data(),
                         .grad = grad[i].values.data(),
                         .exp_avg = m[i].values.data(),
                         .exp_avg_sq = v[i].values.data(),
                         .compute = i % 3 ? compute[i].values.data() : nullptr,
                         .numel = sizes[i],
                         .lr_scale = 1.0f + 0.5f * static_cast<float>(i),
                         .weight_decay = i % 2 ? 0.1f : 0.0f});
  }
  void step(Stream& stream, const UpdateScalars& scalars, const double* clip = nullptr) {
    stream.submit(AdamW{.tensors = tensors.data(),
                        .count = static_cast<std::int64_t>(tensors.size()),
                        .scalars = &scalars,
                        .clip = clip});
  }
};

const std::vector<std::int64_t> kSizes{3, 16384, 0, 40007, 1, 100};
constexpr UpdateScalars kScalars{.lr = 1e-2f, .correction1 = 5.0f, .correction2 = 500.0f};
constexpr double kHalf[] = {2.0, 0.5};  // norm, and the factor that clips it

TEST_CASE("AdamW follows its formula", "[unit][kernels]") {
  Parameters p(kSizes);
  const Parameters before(kSizes);
  Device device;
  p.step(device.stream(), kScalars, kHalf);
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
    for (std::int64_t e = 0; i % 3 && e < kSizes[i]; ++e)
      REQUIRE(p.compute[i][e].bits == bf16(p.weight[i][e]).bits);
  }
}

TEST_CASE("AdamW changes nothing when the norm is not finite", "[unit][kernels]") {
  Parameters p(kSizes);
  const Parameters before(kSizes);
  Device device;
  const double poisoned[] = {INFINITY, NAN};
  p.step(device.stream(), kScalars, poisoned);
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    CHECK(p.weight[i].values == before.weight[i].values);
    CHECK(p.m[i].values == before.m[i].values);
    CHECK(p.v[i].values == before.v[i].values);
  }
}

// Weights in bf16 alone: the f32 update, rounded to one of its two neighbours, on average exactly.
TEST_CASE("AdamW rounds weights without a master stochastically", "[unit][kernels]") {
  constexpr std::int64_t kCount = 40007;
  Parameters wide({kCount}), narrow({kCount});
  for (std::int64_t i = 0; i < kCount; ++i) {
    narrow.compute[0][i] = bf16(wide.weight[0][i]);
    wide.weight[0][i] = static_cast<float>(narrow.compute[0][i]);
  }
  narrow.tensors[0].weight = nullptr;
  narrow.tensors[0].compute = narrow.compute[0].values.data();
  narrow.tensors[0].rounding = {5, 6};
  Device device;
  UpdateScalars scalars = kScalars;
  scalars.step = 7;
  wide.step(device.stream(), scalars);
  narrow.step(device.stream(), scalars);
  double error = 0.0, size = 0.0;
  for (std::int64_t i = 0; i < kCount; ++i) {
    const auto words = philox_block({5, 6}, static_cast<std::uint64_t>(i), 0, 7);
    REQUIRE(narrow.compute[0][i].bits ==
            round_stochastic(wide.weight[0][i], words[static_cast<std::size_t>(i % 4)]).bits);
    error += narrow.compute[0].at(i) - wide.weight[0].at(i);
    size += std::abs(narrow.compute[0].at(i) - wide.weight[0].at(i));
  }
  CHECK(std::abs(error) < 0.03 * size);  // rounding to nearest would also pass; the bits above not
  CHECK(narrow.m[0].values == wide.m[0].values);
}

// As ranks do that share a weight.
TEST_CASE("slices of a weight without a master round as the whole does", "[unit][kernels]") {
  constexpr std::int64_t kCount = 40007;
  Parameters whole({kCount}), cut({kCount});
  for (Parameters* p : {&whole, &cut}) {
    for (std::int64_t i = 0; i < kCount; ++i) p->compute[0][i] = bf16(p->weight[0][i]);
    p->tensors[0].weight = nullptr;
    p->tensors[0].compute = p->compute[0].values.data();
    p->tensors[0].rounding = {5, 6};
  }
  const UpdateTensor all = cut.tensors[0];
  cut.tensors.clear();
  for (const auto& [begin, end] :
       {std::pair<std::int64_t, std::int64_t>{0, 4096}, {4096, 4100}, {4100, kCount}}) {
    UpdateTensor slice = all;
    slice.grad += begin, slice.exp_avg += begin, slice.exp_avg_sq += begin;
    slice.compute = cut.compute[0].values.data() + begin;
    slice.numel = end - begin;
    slice.first = begin;
    cut.tensors.push_back(slice);
  }
  Device device;
  UpdateScalars scalars = kScalars;
  scalars.step = 7;
  whole.step(device.stream(), scalars);
  cut.step(device.stream(), scalars);
  CHECK((bytes_of(cut.compute[0], cut.m[0], cut.v[0]) ==
         bytes_of(whole.compute[0], whole.m[0], whole.v[0])));
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
    for (int i = 0; i < 3; ++i) p.step(stream, kScalars, kHalf);
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
