// The gradient norm, the factor that clips it, and how ranks share it.
#include "kernels/norm_in_two.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEST_CASE("the global norm, its clip factor, and its guard", "[unit][kernels]") {
  auto x = random_array<float>({10001}, 1), y = random_array<float>({7}, 2);
  const std::vector<NormTensor> tensors{{x.values.data(), x.size()}, {y.values.data(), y.size()}};
  double squares = 0.0;
  for (std::int64_t i = 0; i < x.size(); ++i) squares += x.at(i) * x.at(i);
  for (std::int64_t i = 0; i < y.size(); ++i) squares += y.at(i) * y.at(i);
  Device device;
  const float losses[] = {1.0f, 2.0f}, broken[] = {1.0f, NAN};
  NormOfChunks norm{.guard = losses, .guard_count = 2};
  const auto result = [&] { return norm_in_two(device.stream(), tensors, norm); };
  CHECK(result()[0] == Approx(std::sqrt(squares)).epsilon(1e-13));
  CHECK(result()[1] == 1.0);
  norm.max_norm = 2.0f;
  CHECK(result()[1] == Approx(2.0 / result()[0]).epsilon(1e-6));
  norm.guard = broken;
  CHECK(std::isnan(result()[1]));
  CHECK(norm_in_two(device.stream(), {}, {.max_norm = 1.0f}).values == std::vector{0.0, 1.0});
  CHECK(clip_factor(10.0, 1.0f) == Approx(0.1));
  CHECK(clip_factor(1.0, 2.0f) == 1.0);
  CHECK(std::isnan(clip_factor(INFINITY, 1.0f)));
  double tree[] = {1e16, 1.0, -1e16, 1.0, 3.0};
  CHECK(tree_sum(tree, 5) == ((1e16 + 1.0) + (-1e16 + 1.0)) + 3.0);
  CHECK(tree_sum(nullptr, 0) == 0.0);
}

struct Gradients {
  std::vector<Array<float>> arrays;
  std::vector<NormTensor> tensors;
  Gradients() {
    for (const std::int64_t n : {5000, 0, 1, 16384, 4096, 90001}) {
      arrays.push_back(random_array<float>({n}, static_cast<unsigned>(n)));
      tensors.push_back({arrays.back().values.data(), n});
    }
  }
};

TEST_CASE("a chunk's sum of squares is its own, whatever it is part of", "[unit][kernels]") {
  const Gradients g;
  Device device;
  const auto whole = square_sums(device.stream(), g.tensors);
  std::vector<NormTensor> chunks;
  for (const auto& t : g.tensors)
    for (std::int64_t i = 0; i < t.numel; i += kScalarChunk)
      chunks.push_back({t.data + i, std::min(kScalarChunk, t.numel - i)});
  REQUIRE(chunks.size() == 2 + 0 + 1 + 4 + 1 + 22);
  CHECK(square_sums(device.stream(), chunks) == whole);
  std::size_t next = 0;
  double squares[6], chunk[22];
  for (std::size_t i = 0; i < 6; ++i) {
    const std::int64_t n = scalar_chunks(g.tensors[i].numel);
    for (std::int64_t c = 0; c < n; ++c) chunk[c] = whole[next++];
    squares[i] = tree_sum(chunk, n);
  }
  CHECK(norm_in_two(device.stream(), g.tensors)[0] == std::sqrt(tree_sum(squares, 6)));
}

TEST_CASE("ranks that share the chunks have the norm's bits", "[unit][kernels]") {
  const Gradients g;
  Device device;
  const auto want = norm_in_two(device.stream(), g.tensors, {.max_norm = 2.0f});
  for (const int ranks : {1, 2, 3, 5, 16}) {
    CAPTURE(ranks);
    const SharedChunks shared(g.tensors, ranks);
    CHECK(shared.norm(device.stream(), g.tensors, 2.0f).values == want.values);
  }
}

TEST_CASE("the norm gives the same bits everywhere", "[unit][kernels]") {
  const Gradients g;
  check_same_bits([&](Stream& stream) {
    Array<double> sums({30});
    sums.values = square_sums(stream, g.tensors);
    return bytes_of(sums, norm_in_two(stream, g.tensors, {.max_norm = 2.0f}));
  });
}

}  // namespace
}  // namespace gigatrain::kernels
