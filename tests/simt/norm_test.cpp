// The GPU's layer and RMS normalisation on the host SIMT machine, beside the CPU's.
#include "kernels/cuda/norm.cuh"

#include "kernels/norm_case.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
struct Case : NormCase<T> {
  using NormCase<T>::NormCase;
  LayerNormForward forward() { return this->forward_args(); }
  LayerNormBackward backward() { return this->backward_args(); }
  Outputs activations() const {
    return {values_of(this->sum), values_of(this->y), values_of(this->dsum),
            values_of(this->ddelta)};
  }
  Outputs sums() const {  // f32 whatever T is
    return {values_of(this->mean), values_of(this->rstd), values_of(this->dweight),
            values_of(this->dbias)};
  }
};

// `results` writes a case's tensors; activations must agree to a rounding, sums more closely.
template <class T>
void compare_case(const std::function<Case<T>(Stream&)>& results) {
  Outputs want;  // of the CPU, which comes first
  compare_with_cpu(
      [&](Stream& stream) {
        const Case<T> k = results(stream);
        const Outputs sums = k.sums();
        if (want.empty()) want = sums;
        for (std::size_t i = 0; i < sums.size(); ++i) {
          CAPTURE(i);
          CHECK(relative_error(sums[i], want[i]) <= 2e-6);
        }
        return k.activations();
      },
      kRounding<T> + 2e-6);
}

// With delta, bias, dresidual, dropout and all gradients.
template <class T>
void compare_fused(std::int64_t rows, std::int64_t n, float rate) {
  CAPTURE(rows, n, rate);
  compare_case<T>([&](Stream& stream) {
    Case<T> k(rows, n, rate);
    stream.submit(k.forward());
    stream.submit(k.backward());
    return k;
  });
}

// One of every layout: warps with 1 to 4 packs, blocks, rows that are not held, packs that do not
// fit.
TEMPLATE_TEST_CASE("simt: layer norm agrees with the CPU", "[simt]", float, bf16) {
  for (const float rate : {0.0f, 0.3f}) {
    for (const std::int64_t n : {1, 7, 8, 64, 264, 384, 768, 1000})
      compare_fused<TestType>(9, n, rate);
    for (const std::int64_t n : {1031, 1032, 2056}) compare_fused<TestType>(3, n, rate);
  }
  for (const std::int64_t n : {4104, 8192, 8200}) compare_fused<TestType>(2, n, 0.3f);
}

TEMPLATE_TEST_CASE("simt: layer norm of any number of rows", "[simt]", float, bf16) {
  for (const std::int64_t rows : {0, 1, 5, 16, 17, 67})
    for (const std::int64_t n : {5, 40}) compare_fused<TestType>(rows, n, 0.3f);
  compare_fused<TestType>(41, 1048, 0.0f);
}

TEST_CASE("simt: layer norm with slabs of more rows than the least", "[simt]") {
  CHECK(cuda::norm_slab_rows(4096) == 16);
  CHECK(cuda::norm_slab_rows(4104) == 24);
  compare_fused<bf16>(4104, 8, 0.0f);
}

// Each optional tensor left out, dsum in the place of dy, gradients overwritten.
TEMPLATE_TEST_CASE("simt: layer norm without its optional parts", "[simt]", float, bf16) {
  for (const std::int64_t n : {12, 48, 1064}) {
    CAPTURE(n);
    compare_case<TestType>([&](Stream& stream) {
      Case<TestType> k(19, n, 0.2f);
      LayerNormForward forward = k.forward();
      forward.delta = forward.sum = forward.bias = {};
      stream.submit(forward);
      k.sum = k.x;
      LayerNormBackward backward = k.backward();
      backward.dresidual = backward.ddelta = backward.dbias = {};
      backward.accumulate = false;
      stream.submit(backward);
      backward.dbias = k.dbias.view();
      backward.dweight = {};
      backward.dsum = backward.dy;
      stream.submit(backward);
      backward.dbias = {};
      stream.submit(backward);
      k.ddelta = k.dy;
      return k;
    });
  }
}

// The mean is subtracted before squaring, so a large one costs no accuracy.
TEST_CASE("simt: layer norm of values far from zero", "[simt]") {
  for (const std::int64_t n : {64, 1280})
    compare_with_cpu(
        [&](Stream& stream) {
          Case<float> k(4, n, 0.0f);
          k.x = random_array<float>(k.shape, 1, 4096.0f, 4097.0f);
          k.delta = Array<float>(k.shape);
          stream.submit(k.forward());
          return Outputs{values_of(k.rstd)};
        },
        1e-6);
}

TEST_CASE("simt: layer norm of rows that start off a pack", "[simt]") {
  for (const std::int64_t n : {64, 1024})
    compare_case<bf16>([&](Stream& stream) {
      Case<bf16> k(5, n, 0.3f);
      auto x = random_array<bf16>({5 * n + 1}, 11), dy = random_array<bf16>({5 * n + 3}, 12);
      LayerNormForward forward = k.forward();
      forward.x = TensorView(&x[1], DType::bf16, k.shape);
      stream.submit(forward);
      LayerNormBackward backward = k.backward();
      backward.dy = TensorView(&dy[3], DType::bf16, k.shape);
      stream.submit(backward);
      return k;
    });
}

TEMPLATE_TEST_CASE("simt: rms norm agrees with the CPU", "[simt]", float, bf16) {
  for (const std::int64_t n : {5, 72, 770, 776, 1600, 8208}) {
    CAPTURE(n);
    compare_case<TestType>([&](Stream& stream) {
      Case<TestType> k(n > 1000 ? 3 : 18, n, n % 16 == 8 ? 0.3f : 0.0f);
      stream.submit(k.rms_forward_args());
      stream.submit(k.rms_backward_args());
      return k;
    });
  }
}

}  // namespace
}  // namespace gigatrain::kernels
