// Embedding forward and backward against their definition.
#include "kernels/embedding.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr std::int64_t kB = 3, kT = 19, kP = 40, kFirst = 4;

DropoutArgs dropout_args(float rate) {
  return {.rate = rate, .key = {1, 2}, .step = 3, .first_sample = 4, .rows_per_sample = kT};
}

double factor(const DropoutArgs& d, std::int64_t row, std::int64_t c, std::int64_t columns) {
  if (!d) return 1.0;
  const auto e = static_cast<std::uint64_t>((row % kT) * columns + c);
  const auto sample = d.first_sample + static_cast<std::uint32_t>(row / kT);
  const bool kept = to_uniform(philox_block(d.key, e, sample, d.step)[e % 4]) >= d.rate;
  return kept ? 1.0 / (1.0 - d.rate) : 0.0;
}

TEMPLATE_TEST_CASE("embedding adds a token's and a position's row", "[unit][kernels]", float,
                   bf16) {
  for (const float rate : {0.0f, 0.4f})
    for (const std::int64_t n : {5, 48, 301}) {
      CAPTURE(rate, n);
      auto tokens = random_tokens({kB, kT}, 1, 70);
      auto table = random_array<TestType>({70, n}, 2),
           positions = random_array<TestType>({kP, n}, 3);
      Array<TestType> out({kB, kT, n}), bare({kB, kT, n});
      Device device;
      device.stream().submit(EmbeddingForward{.tokens = tokens.view(),
                                              .table = table.view(),
                                              .positions = positions.view(),
                                              .out = out.view(),
                                              .first_position = kFirst,
                                              .dropout = dropout_args(rate)});
      device.stream().submit(
          EmbeddingForward{.tokens = tokens.view(), .table = table.view(), .out = bare.view()});
      std::vector<double> want, rows;
      for (std::int64_t r = 0; r < kB * kT; ++r)
        for (std::int64_t c = 0; c < n; ++c) {
          rows.push_back(table.at(tokens[r] * n + c));
          want.push_back((rows.back() + positions.at((kFirst + r % kT) * n + c)) *
                         factor(dropout_args(rate), r, c, n));
        }
      CHECK(relative_error(out, want) < kRounding<TestType>);
      CHECK(relative_error(bare, rows) == 0.0);
    }
}

template <class T>
void check_backward(std::int64_t vocabulary, std::int64_t n, float rate, bool accumulate) {
  CAPTURE(vocabulary, n, rate, accumulate);
  auto tokens =
      random_tokens({kB, kT}, 1, static_cast<std::int32_t>(std::min<std::int64_t>(vocabulary, 9)));
  tokens[5] = static_cast<std::int32_t>(vocabulary - 1);
  auto dout = random_array<T>({kB, kT, n}, 2);
  Array<float> dtable({vocabulary, n}, 0.5f), dpositions({kP, n}, 0.25f);
  Device device;
  device.stream().submit(EmbeddingBackward{.tokens = tokens.view(),
                                           .dout = dout.view(),
                                           .dtable = dtable.view(),
                                           .dpositions = dpositions.view(),
                                           .accumulate_table = accumulate,
                                           .accumulate_positions = accumulate,
                                           .first_position = kFirst,
                                           .dropout = dropout_args(rate)});
  std::vector<double> table(dtable.values.size(), accumulate ? 0.5 : 0.0);
  std::vector<double> positions(dpositions.values.size(), accumulate ? 0.25 : 0.0);
  for (std::int64_t r = 0; r < kB * kT; ++r)
    for (std::int64_t c = 0; c < n; ++c) {
      const double d = dout.at(r * n + c) * factor(dropout_args(rate), r, c, n);
      table[static_cast<std::size_t>(tokens[r] * n + c)] += d;
      positions[static_cast<std::size_t>((kFirst + r % kT) * n + c)] += d;
    }
  CHECK(relative_error(dtable, table) < 1e-6);
  CHECK(relative_error(dpositions, positions) < 1e-6);
}

TEMPLATE_TEST_CASE("embedding backward adds up each row's tokens", "[unit][kernels]", float, bf16) {
  for (const bool accumulate : {false, true})
    for (const float rate : {0.0f, 0.4f})
      for (const std::int64_t n : {5, 256, 301}) {
        check_backward<TestType>(1, n, rate, accumulate);
        check_backward<TestType>(100, n, rate, accumulate);
      }
}

// With values whose f32 sum depends on the order, only ascending order gives this result.
TEST_CASE("embedding backward adds in ascending order", "[unit][kernels]") {
  Array<std::int32_t> tokens({1, 4}, 0);
  Array<float> dout({1, 4, 1}), dtable({3, 1}, 5.0f);
  dout.values = {1e8f, 1.0f, -1e8f, 1.0f};
  Device device;
  device.stream().submit(
      EmbeddingBackward{.tokens = tokens.view(), .dout = dout.view(), .dtable = dtable.view()});
  CHECK(dtable.values == std::vector<float>{1.0f, 0.0f, 0.0f});
}

TEMPLATE_TEST_CASE("embedding gives the same bits everywhere", "[unit][kernels]", float, bf16) {
  check_same_bits([](Stream& stream) {
    const std::int64_t n = 283;
    auto tokens = random_tokens({8, 30}, 1, 20);
    auto table = random_array<TestType>({90, n}, 2), positions = random_array<TestType>({30, n}, 3);
    auto dout = random_array<TestType>({8, 30, n}, 4);
    Array<TestType> out(dout.shape);
    Array<float> dtable(table.shape), dpositions(positions.shape);
    const DropoutArgs dropout{.rate = 0.1f, .key = {5, 6}, .rows_per_sample = 30};
    stream.submit(EmbeddingForward{.tokens = tokens.view(),
                                   .table = table.view(),
                                   .positions = positions.view(),
                                   .out = out.view(),
                                   .dropout = dropout});
    stream.submit(EmbeddingBackward{.tokens = tokens.view(),
                                    .dout = dout.view(),
                                    .dtable = dtable.view(),
                                    .dpositions = dpositions.view(),
                                    .dropout = dropout});
    return bytes_of(out, dtable, dpositions);
  });
}

}  // namespace
}  // namespace gigatrain::kernels
