// AdamW, the gradient norm and the state digest on a GPU beside the CPU's.

#include <catch2/catch.hpp>
#include <limits>
#include <numeric>

#include "gigatrain/ops/ops.h"
#include "gigatrain/train/state_digest.h"
#include "gpu/gpu_device.h"
#include "kernels/reduce.h"
#include "kernels/update.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

// Around the borders of packs, blocks and chunks.
const std::vector<std::int64_t> kCounts{1, 5, 4096, 4097, 100003, 768, 1 << 20, 31};

// Weights, moments and bf16 copies of several tensors after two updates; the second is clipped by
// `factor`.
std::vector<std::vector<double>> adamw_on(Device& device, double factor) {
  struct Slot {
    Tensor weight, grad, exp_avg, exp_avg_sq, compute;
  };
  std::vector<Slot> slots;
  std::vector<kernels::UpdateTensor> tensors;
  for (const std::int64_t n : kCounts) {
    const std::string id = std::to_string(n);
    Slot s{random_tensor(device, {n}, "w" + id), random_tensor(device, {n}, "g" + id),
           Tensor::full(device, {n}, 0.0), Tensor::full(device, {n}, 0.0),
           Tensor::full(device, {n}, 0.0, DType::bf16)};
    tensors.push_back({.weight = s.weight.view().as<float>(),
                       .grad = s.grad.view().as<float>(),
                       .exp_avg = s.exp_avg.view().as<float>(),
                       .exp_avg_sq = s.exp_avg_sq.view().as<float>(),
                       .compute = n % 2 ? nullptr : s.compute.view().as<bf16>(),
                       .numel = n,
                       .lr_scale = n % 3 ? 1.0f : 0.5f,
                       .weight_decay = n > 1000 ? 0.1f : 0.0f});
    slots.push_back(s);
  }
  const std::vector<double> clip{3.0, factor};
  const Tensor clip_result = Tensor::from<double>(device, {2}, clip);
  for (const bool clipped : {false, true}) {
    const std::vector<float> values{1e-2f, 10.0f, 20.0f};
    const Tensor scalars = Tensor::from<float>(device, {3}, values);
    device.stream().submit(
        kernels::AdamW{.tensors = tensors.data(),
                       .count = static_cast<std::int64_t>(tensors.size()),
                       .scalars = scalars.view().as<kernels::UpdateScalars>(),
                       .clip = clipped ? clip_result.view().as<double>() : nullptr});
  }
  std::vector<std::vector<double>> out;
  for (const auto& s : slots)
    for (const Tensor& t : {s.weight, s.exp_avg, s.exp_avg_sq, s.compute})
      out.push_back(t.to_vector<double>());
  return out;
}

std::vector<double> norm_on(Device& device, float max_norm, float guard) {
  std::vector<Tensor> grads;
  std::vector<kernels::NormTensor> tensors;
  for (const std::int64_t n : kCounts) {
    grads.push_back(random_tensor(device, {n}, "g" + std::to_string(n)));
    tensors.push_back({grads.back().view().as<float>(), n});
  }
  const std::vector<float> losses{1.0f, guard, 2.0f};
  const Tensor guards = Tensor::from<float>(device, {3}, losses);
  const Tensor result = Tensor::full(device, {2}, 0.0, DType::f64);
  std::vector<std::int64_t> chunks_of;
  for (const std::int64_t n : kCounts) chunks_of.push_back(kernels::scalar_chunks(n));
  const auto all = std::accumulate(chunks_of.begin(), chunks_of.end(), std::int64_t{0});
  const Tensor chunks = Tensor::full(device, {all}, 7.0, DType::f64);
  const auto count = static_cast<std::int64_t>(tensors.size());
  device.stream().submit(kernels::SquareSums{
      .tensors = tensors.data(), .count = count, .chunks = chunks.view().as<double>()});
  device.stream().submit(kernels::NormOfChunks{.chunks_of = chunks_of.data(),
                                               .count = count,
                                               .chunks = chunks.view().as<double>(),
                                               .guard = guards.view().as<float>(),
                                               .guard_count = 3,
                                               .max_norm = max_norm,
                                               .result = result.view().as<double>()});
  return result.to_vector<double>();
}

}  // namespace

TEST_CASE("gpu: AdamW beside the CPU's", "[gpu][optim]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  const auto want = adamw_on(cpu, 0.37), got = adamw_on(*gpu, 0.37);
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CAPTURE(kCounts[i / 4], i % 4);
    CHECK(relative_error(got[i], want[i]) < (i % 4 == 3 ? 1e-3 : 1e-6));
  }
  CHECK((adamw_on(*gpu, 0.37) == got));
}

TEST_CASE("gpu: AdamW changes nothing when the clip factor is not a number", "[gpu][optim]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  // The second update is refused: what is left is the first.
  Device cpu;
  const auto want = adamw_on(cpu, std::numeric_limits<double>::quiet_NaN());
  const auto got = adamw_on(*gpu, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < want.size(); ++i)
    CHECK(relative_error(got[i], want[i]) < (i % 4 == 3 ? 1e-3 : 1e-6));
}

TEST_CASE("gpu: the gradient norm, its clip factor and its guard", "[gpu][optim]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  for (const float max_norm : {0.0f, 1.0f, 1e9f}) {
    const auto want = norm_on(cpu, max_norm, 0.0f), got = norm_on(*gpu, max_norm, 0.0f);
    CHECK(got[0] == Approx(want[0]).epsilon(1e-12));
    CHECK(got[1] == Approx(want[1]).epsilon(1e-6));
    CHECK((norm_on(*gpu, max_norm, 0.0f) == got));
  }
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const auto got = norm_on(*gpu, 1.0f, bad);
    CHECK(std::isnan(got[1]));
    CHECK(got[0] == norm_on(*gpu, 1.0f, 0.0f)[0]);
  }
}

TEST_CASE("gpu: arrays added in one pass have the CPU's bits", "[gpu][optim][bits]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  const auto sum_on = [](Device& device, int count, int then, std::int64_t n) {
    std::vector<Tensor> arrays;
    kernels::TreeSum sum{.count = count, .numel = n, .then_count = then};
    for (int i = 0; i < count + then; ++i) {
      arrays.push_back(random_tensor(device, {n}, "array" + std::to_string(i)));
      (i < count ? sum.x[i] : sum.then[i - count]) = arrays.back().view().as<float>();
    }
    sum.y = arrays[0].view().as<float>();
    device.stream().submit(sum);
    return arrays[0].to_vector<float>();
  };
  for (const int count : {1, 2, 4, 8, 16})
    for (const int then : {0, 2, 8})
      for (const std::int64_t n : {1, 4096, 100003}) {
        CAPTURE(count, then, n);
        CHECK((sum_on(*gpu, count, then, n) == sum_on(cpu, count, then, n)));
      }
}

TEST_CASE("gpu: a digest is the CPU's, exactly", "[gpu][optim][bits]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  for (const std::int64_t n : {1, 7, 4096, 100003, (1 << 20) + 3}) {
    const std::string id = "digest" + std::to_string(n);
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
      CAPTURE(n, name(dtype));
      CHECK(digest(random_tensor(*gpu, {n}, id, dtype)) ==
            digest(random_tensor(cpu, {n}, id, dtype)));
    }
    CHECK(digest(random_tokens(*gpu, {n}, 50257, id)) ==
          digest(random_tokens(cpu, {n}, 50257, id)));
  }
}
