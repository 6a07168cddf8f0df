// The GPU's embedding and its gradients on the host SIMT machine, beside the CPU's.
#include "kernels/embedding.h"

#include <algorithm>
#include <numeric>

#include "kernels/cuda/token_sort.cuh"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr std::int64_t kB = 3, kT = 19, kP = 40, kFirst = 4;

DropoutArgs dropout_args(float rate, std::int64_t rows_per_sample = kT) {
  return {.rate = rate,
          .key = {1, 2},
          .step = 3,
          .first_sample = 4,
          .rows_per_sample = rows_per_sample};
}

TEMPLATE_TEST_CASE("simt: embedding", "[simt]", float, bf16) {
  for (const float rate : {0.0f, 0.4f})
    for (const std::int64_t n : {1, 5, 48, 301, 520}) {
      CAPTURE(rate, n);
      auto tokens = random_tokens({kB, kT}, 1, 70);
      auto table = random_array<TestType>({70, n}, 2),
           positions = random_array<TestType>({kP, n}, 3);
      compare_with_cpu(
          [&](Stream& stream) {
            Array<TestType> out({kB, kT, n}), bare({kB, kT, n});
            stream.submit(EmbeddingForward{.tokens = tokens.view(),
                                           .table = table.view(),
                                           .positions = positions.view(),
                                           .out = out.view(),
                                           .first_position = kFirst,
                                           .dropout = dropout_args(rate)});
            stream.submit(EmbeddingForward{
                .tokens = tokens.view(), .table = table.view(), .out = bare.view()});
            return Outputs{values_of(out), values_of(bare)};
          },
          0.0);
    }
}

TEST_CASE("simt: a token outside the vocabulary gives a row of NaN", "[simt]") {
  Array<std::int32_t> tokens({1, 4});
  tokens.values = {0, -1, 6, 2147483647};
  auto table = random_array<float>({6, 9}, 1);
  Array<float> out({1, 4, 9}), dtable({6, 9});
  const auto device = simt_device();
  device->stream().submit(EmbeddingForward{.tokens = tokens.view(),
                                           .table = table.view(),
                                           .out = out.view(),
                                           .dropout = dropout_args(0.5f, 4)});
  for (std::int64_t i = 0; i < out.size(); ++i) CHECK(std::isnan(out.at(i)) == (i >= 9));
  // The gradient leaves such a token out.
  device->stream().submit(
      EmbeddingBackward{.tokens = tokens.view(), .dout = out.view(), .dtable = dtable.view()});
  for (std::int64_t i = 0; i < dtable.size(); ++i) CHECK(dtable.at(i) == (i < 9 ? out.at(i) : 0.0));
}

template <class T>
void check_backward(Array<std::int32_t> tokens, std::int64_t vocabulary, std::int64_t n, float rate,
                    bool accumulate, double tolerance) {
  const std::int64_t batch = tokens.shape[0], length = tokens.shape[1], positions = length + 7;
  CAPTURE(vocabulary, n, batch, length, rate, accumulate);
  auto dout = random_array<T>({batch, length, n}, 2);
  compare_with_cpu(
      [&](Stream& stream) {
        Array<float> dtable({vocabulary, n}, 0.5f), dpositions({positions, n}, 0.25f);
        stream.submit(EmbeddingBackward{.tokens = tokens.view(),
                                        .dout = dout.view(),
                                        .dtable = dtable.view(),
                                        .dpositions = dpositions.view(),
                                        .accumulate_table = accumulate,
                                        .accumulate_positions = accumulate,
                                        .first_position = kFirst,
                                        .dropout = dropout_args(rate, length)});
        return Outputs{values_of(dtable), values_of(dpositions)};
      },
      tolerance);
}

// Up to 64 times the same token: the CPU's order, so its bits.
TEMPLATE_TEST_CASE("simt: embedding backward", "[simt]", float, bf16) {
  for (const bool accumulate : {false, true})
    for (const float rate : {0.0f, 0.4f})
      for (const std::int64_t n : {5, 264, 301}) {
        const std::int64_t vocabulary = n == 5 ? 600 : n == 264 ? 1 : 70;
        auto tokens = random_tokens({kB, kT}, 1, vocabulary == 70 ? 9 : 1);
        tokens[5] = tokens[50] = static_cast<std::int32_t>(vocabulary - 1);
        check_backward<TestType>(tokens, vocabulary, n, rate, accumulate, 0.0);
      }
  check_backward<TestType>(Array<std::int32_t>({2, 0}), 20, 8, 0.0f, false, 0.0);  // no tokens
}

// Rows of more than 64 tokens, one of exactly 64 and of 65, next to each other.
TEMPLATE_TEST_CASE("simt: embedding backward of frequent tokens", "[simt]", float, bf16) {
  Array<std::int32_t> tokens({5, 200});
  const std::int64_t counts[] = {3, 64, 65, 128, 129, 200, 1, 300, 0, 110};
  std::int64_t at = 0;
  for (std::int32_t v = 0; v < 10; ++v)
    for (std::int64_t i = 0; i < counts[v]; ++i, ++at) tokens[at * 37 % 1000] = v;
  REQUIRE(at == 1000);
  for (const float rate : {0.0f, 0.3f})
    for (const std::int64_t n : {3, 16}) check_backward<TestType>(tokens, 11, n, rate, true, 1e-6);
}

TEST_CASE("simt: embedding backward adds in ascending order", "[simt]") {
  Array<std::int32_t> tokens({1, 4}, 0);
  Array<float> dout({1, 4, 1}), dtable({3, 1}, 5.0f);
  dout.values = {1e8f, 1.0f, -1e8f, 1.0f};
  const auto device = simt_device();
  device->stream().submit(
      EmbeddingBackward{.tokens = tokens.view(), .dout = dout.view(), .dtable = dtable.view()});
  CHECK(dtable.values == std::vector<float>{1.0f, 0.0f, 0.0f});
}

void check_sort(simt::Order order, std::int32_t n, std::int32_t end) {
  CAPTURE(static_cast<int>(order), n, end);
  auto tokens = random_tokens({n}, 1, end);
  for (std::int64_t i = 0; i < n; ++i) {
    if (i % 5 == 2) tokens[i] = end / 2;
    if (i % 50 == 3) tokens[i] = i % 100 == 3 ? -1 : end + 7;
  }
  const auto key = [&](std::int64_t i) {
    return tokens[i] < 0 || tokens[i] >= end ? end : tokens[i];
  };
  std::vector<std::int32_t> want(static_cast<std::size_t>(n));
  std::iota(want.begin(), want.end(), 0);
  std::stable_sort(want.begin(), want.end(), [&](auto a, auto b) { return key(a) < key(b); });
  const auto device = simt_device(order);
  auto& queue = dynamic_cast<SimtQueue&>(*device->backend());
  const auto sorted = cuda::sort_tokens(queue, tokens.values.data(), n, end);
  CHECK(std::equal(want.begin(), want.end(), sorted.places));
  std::int32_t i = 0;
  bool right = true;
  for (std::int32_t v = 0; v <= end; ++v) {
    right = right && sorted.start[v] == i;
    for (; i < n && key(sorted.places[i]) == v; ++i) right = right && sorted.keys[i] == v;
  }
  CHECK(right);
  CHECK(i == n);
}

TEST_CASE("simt: places are sorted by token and stay in order", "[simt]") {
  for (const auto order : {simt::Order::ascending, simt::Order::descending, simt::Order::shuffled})
    for (const std::int32_t end : {1, 511, 512, 50257}) {
      check_sort(order, 700, end);
      check_sort(order, 512 * 18 + 5, end);
    }
  check_sort(simt::Order::ascending, 3000, 300000);  // three digits
}

}  // namespace
}  // namespace gigatrain::kernels
