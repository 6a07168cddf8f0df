// The GPU's gradient norm on the host SIMT machine, beside the CPU's.
#include "kernels/norm_in_two.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

struct Gradients {
  std::vector<Array<float>> arrays;
  std::vector<NormTensor> tensors;
  void add(Array<float> array, std::int64_t skipped = 0) {
    arrays.push_back(std::move(array));  // its elements stay where they are
    auto& a = arrays.back();
    tensors.push_back({a.values.data() + skipped, a.size() - skipped});
  }
  Values norm(Stream& stream, float max_norm, const std::vector<float>& guard = {}) const {
    return values_of(norm_in_two(stream, tensors,
                                 {.guard = guard.data(),
                                  .guard_count = static_cast<std::int64_t>(guard.size()),
                                  .max_norm = max_norm}));
  }
};

TEST_CASE("simt: global norm and clip factor", "[simt]") {
  Gradients g;
  for (const std::int64_t n : {1, 0, 4096, 4097, 20001, 135 * 4096 + 3, 0, 3}) {
    const auto seed = static_cast<unsigned>(n);
    g.add(random_array<float>({n}, seed, -1e-3f, 1e-3f), n > 4097 ? 1 : 0);
  }
  for (const float max_norm : {0.0f, 0.1f, 1e9f})
    compare_with_cpu([&](Stream& s) { return Outputs{g.norm(s, max_norm, {1.0f, 2.0f})}; }, 1e-14);
  compare_with_cpu([](Stream& s) { return Outputs{Gradients().norm(s, 1.0f)}; }, 0.0);
}

// With at most one number that is not zero in a chunk only the order of the trees is left.
TEST_CASE("simt: the norm's trees are tree_sum's, bit for bit", "[simt]") {
  Gradients g;
  for (unsigned i = 0; i < 170; ++i) {
    Array<float> a({i % 50 == 7 ? 131 * 4096 : i % 8 * 4096 + 1});
    const auto draws = random_array<float>({a.size() / 4096 + 1}, i, -9.0f, 9.0f);
    for (std::int64_t c = 0; c * 4096 < a.size(); ++c)
      a[c * 4096] = draws.values[0 + static_cast<std::size_t>(c)];
    g.add(std::move(a));
  }
  compare_with_cpu([&](Stream& s) { return Outputs{g.norm(s, 1.0f)}; }, 0.0);
}

// More tensors than one launch takes.
TEST_CASE("simt: ranks that share the chunks have the norm's bits", "[simt]") {
  Gradients g;
  for (unsigned i = 0; i < 270; ++i)
    g.add(random_array<float>({i % 90 == 7 ? 5 * 4096 + 9 : i % 3 * 41}, i));
  for (const int ranks : {1, 3}) {
    const SharedChunks shared(g.tensors, ranks);
    const auto device = simt_device();
    CHECK(values_of(shared.norm(device->stream(), g.tensors, 1.0f)) ==
          g.norm(device->stream(), 1.0f));
  }
}

TEST_CASE("simt: a norm or a guard that is not finite poisons the clip factor", "[simt]") {
  const auto device = simt_device();
  Gradients g;
  g.add(random_array<float>({5000}, 1));
  std::vector<float> guard(300, 1.0f);
  CHECK(g.norm(device->stream(), 1.0f, guard)[1] < 1.0);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    guard[299] = bad;
    const Values result = g.norm(device->stream(), 1.0f, guard);
    CHECK(std::isfinite(result[0]));
    CHECK(std::isnan(result[1]));
    Gradients h;
    h.add(random_array<float>({5000}, 1));
    h.arrays[0][4999] = bad;
    CHECK(std::isnan(h.norm(device->stream(), 0.0f)[1]));
  }
}

}  // namespace
}  // namespace gigatrain::kernels
