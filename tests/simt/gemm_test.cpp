// The GPU's side of a matrix product that is ours: the epilogue kernel, beside the CPU's, and the
// bookkeeping of cuBLASLt's algorithms (no GPU is needed for either).
#include "kernels/gemm.h"

#include <filesystem>
#include <fstream>

#include "kernels/cuda/gemm_choices.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;
using cuda::plain_key;

struct Sizes {
  std::int64_t m, n, k;
};
const std::vector<Sizes> kSizes = {{1, 1, 1}, {3, 7, 5}, {17, 64, 9}, {33, 264, 8}, {5, 16, 0}};

// A product with every part of its epilogue that `parts` names.
struct Parts {
  bool bias, gelu, pre;
};
const std::vector<Parts> kParts = {{false, false, false}, {true, false, false},
                                   {false, true, false},  {true, true, false},
                                   {false, true, true},   {true, true, true}};

template <class In, class Out, class Bias = float>
void check_products(double tolerance) {
  for (const auto& [m, n, k] : kSizes)
    for (const auto& [with_bias, gelu, with_pre] : kParts) {
      CAPTURE(m, n, k, with_bias, gelu, with_pre);
      auto a = random_array<In>({m, k}, 1), b = random_array<In>({k, n}, 2);
      auto bias = random_array<Bias>({n}, 3);
      Array<Out> c({m, n}, Out(9.0f)), pre({m, n}, Out(9.0f));
      compare_with_cpu(
          [&](Stream& stream) {
            stream.submit(Gemm{.a = a.view(),
                               .b = b.view(),
                               .c = c.view(),
                               .bias = with_bias ? bias.view() : TensorView{},
                               .pre = with_pre ? pre.view() : TensorView{},
                               .gelu = gelu});
            return Outputs{values_of(c), values_of(pre)};
          },
          tolerance);
    }
}

// A 16-bit product is rounded before and after its epilogue here, on the CPU after it only.
TEST_CASE("simt: the epilogue of a product", "[simt]") {
  check_products<float, float>(4 * kRounding<float>);
  check_products<bf16, bf16>(2 * kRounding<bf16>);
  check_products<bf16, float>(4 * kRounding<float>);
  check_products<float, bf16>(kRounding<bf16>);
  check_products<f16, f16>(2 * 0x1p-11);
  check_products<float, f16>(0x1p-11);
  check_products<double, double, double>(8 * kRounding<double>);
}

TEST_CASE("simt: a product added to C, strided rows, a batch", "[simt]") {
  const std::int64_t m = 6, n = 24, k = 5;
  for (const std::int64_t pad : {8, 3}) {  // packs fit, and do not
    CAPTURE(pad);
    auto a = random_array<float>({2, m, k}, 1), b = random_array<float>({2, k, n}, 2);
    auto bias = random_array<float>({n}, 3);
    compare_with_cpu(
        [&](Stream& stream) {
          auto wide = random_array<float>({2, m + 1, n + pad}, 4), pre = wide;
          TensorView c = wide.view(), z = pre.view();
          c.shape = z.shape = {2, m, n};  // the strides stay: rows and batches are apart
          Gemm g{.a = a.view(), .b = b.view(), .c = c, .accumulate = true, .bias = bias.view()};
          stream.submit(g);
          const Values sums = values_of(wide);
          g.accumulate = false, g.gelu = true, g.pre = z;
          stream.submit(g);
          return Outputs{sums, values_of(wide), values_of(pre)};
        },
        4 * kRounding<float>);
  }
}

TEST_CASE("simt: a product added onto others", "[simt]") {
  auto a = random_array<bf16>({19, 40}, 1), b = random_array<bf16>({40, 23}, 2);
  for (const int count : {1, 3}) {
    CAPTURE(count);
    compare_with_cpu(
        [&](Stream& stream) {
          std::vector<Array<float>> onto;
          for (int i = 0; i < count; ++i)
            onto.push_back(random_array<float>({19, 23}, 3 + static_cast<std::uint32_t>(i)));
          Gemm g{.a = a.view(), .b = b.view(), .c = onto.back().view()};
          for (auto& more : onto) g.onto[g.onto_count++] = more.values.data();
          stream.submit(g);
          Outputs out;
          for (auto& more : onto) out.push_back(values_of(more));
          return out;
        },
        4 * kRounding<float>);
  }
}

Gemm gemm_of(TensorView a, TensorView b, TensorView c) {
  return {.a = a, .b = b, .c = c};
}
cuda::ProductKey key_of(const Gemm& g) {
  return plain_key(g, check_gemm(g));
}

TEST_CASE("cublaslt: equal problems have equal keys, others do not", "[simt]") {
  alignas(64) static float memory[4096];
  const auto view = [](const Shape& shape, std::int64_t offset = 0) {
    return TensorView(memory + offset, DType::f32, shape);
  };
  const Gemm g = gemm_of(view({8, 16}), view({16, 32}), view({8, 32}));
  const auto key = key_of(g);
  CHECK(key.text() ==
        "gemm 1x8x32x16 f32>f32 nn rows 16 32 32 0 batch 0 0 0 0 align 16 16 16 16 16 epilogue 1");
  CHECK(key == key_of(gemm_of(view({8, 16}, 64), view({16, 32}, 128), view({8, 32}, 192))));
  CHECK(key != key_of(gemm_of(view({8, 16}, 1), view({16, 32}), view({8, 32}))));  // alignment

  Gemm transposed = gemm_of(view({16, 8}), view({32, 16}), view({8, 32}));
  transposed.trans_a = transposed.trans_b = true;
  const auto other = key_of(transposed);
  CHECK((other.trans_a && other.trans_b && other.a_row == 8 && other.b_row == 16));
  // The same memory, described by strides instead.
  Gemm strided = gemm_of(view({8, 16}), view({16, 32}), view({8, 32}));
  strided.a.strides[0] = 1, strided.a.strides[1] = 8;
  strided.b.strides[0] = 1, strided.b.strides[1] = 16;
  CHECK(key_of(strided) == other);

  // One row: its step does not matter, and must be at least as long as the row.
  Gemm one = gemm_of(view({1, 16}), view({16, 32}), view({1, 32}));
  const auto packed = key_of(one);
  one.a.strides[0] = 7, one.c.strides[0] = 100;
  CHECK(key_of(one) == packed);
}

TEST_CASE("cublaslt: what may be fused", "[simt]") {
  alignas(64) static float memory[4096];
  Gemm g = gemm_of(TensorView(memory, DType::f32, {4, 8}), TensorView(memory, DType::f32, {8, 12}),
                   TensorView(memory, DType::f32, {4, 12}));
  g.bias = TensorView(memory, DType::f32, {12});
  const auto fused = [&] { return cuda::fused_key(g, check_gemm(g), g.bias.data); };
  CHECK(fused()->epilogue == 4);
  g.gelu = true;
  CHECK(fused()->epilogue == 36);
  g.pre = TensorView(memory, DType::f32, {4, 12});
  CHECK(!fused());  // rows of 12 do not start at multiples of 8
  g.pre.strides[0] = 16;
  CHECK(fused()->epilogue == 164);
  g.gelu = false, g.pre = {}, g.accumulate = true;
  CHECK(!fused());
}

TEST_CASE("cublaslt: a choice is read as it was written, by its version only", "[simt]") {
  const cuda::AlgorithmBits bits = {1, 0, ~std::uint64_t{0}, 0x123456789abcdef0, 5, 6, 7, 8};
  const std::string text = cuda::write_algorithm(130100, bits);
  CHECK(cuda::read_algorithm(130100, text) == bits);
  CHECK(!cuda::read_algorithm(130200, text));
  CHECK(!cuda::read_algorithm(130100, text.substr(1)));
  CHECK(!cuda::read_algorithm(130100, text.substr(0, text.size() - 1) + "g"));
  CHECK(!cuda::read_algorithm(130100, ""));
}

TEST_CASE("cublaslt: the file of measured choices survives damage and other writers", "[simt]") {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("gt_choices_{}", getpid());
  const auto path = folder / "gigatrain" / "gemm_x_130100.txt";
  const std::string one = cuda::write_algorithm(130100, {1}),
                    two = cuda::write_algorithm(130100, {2});
  cuda::write_choices(path, 130100, {{"gemm a", one}});
  cuda::write_choices(path, 130100,
                      {{"gemm a", two}, {"gemm b", two}});  // the first writer's stays
  CHECK(cuda::read_choices(path, 130100) == cuda::Choices{{"gemm a", one}, {"gemm b", two}});
  std::ofstream(path, std::ios::app) << "gemm c\tnonsense\nno tab\ngemm d\t" << one.substr(0, 40);
  CHECK(cuda::read_choices(path, 130100).size() == 2);
  CHECK(cuda::read_choices(path, 130200).empty());
  CHECK(cuda::read_choices(folder / "absent", 130100).empty());
  cuda::write_choices({}, 130100, {{"gemm a", one}});  // no home: nothing happens
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace gigatrain::kernels
