// The GPU's copies and fills on the host SIMT machine: the same bits as the CPU's.
#include "kernels/elementwise.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

struct Layout {
  Shape shape;
  Strides strides;
  std::int64_t first = 0;
};

template <class T>
TensorView view(Array<T>& a, const Layout& layout) {
  TensorView v = a.view();
  v.data = a.values.data() + layout.first;
  v.shape = layout.shape;
  v.strides = layout.strides;
  return v;
}

constexpr std::int64_t kElements = 9000;

template <class Out>
Values copied(Stream& stream, const TensorView& x, const Layout& to) {
  Array<Out> y({kElements}, Out(9.0f));
  stream.submit(Copy{.x = x, .y = view(y, to)});
  return values_of(y);
}

template <class In>
void check_copies(const Layout& from, const Layout& to) {
  CAPTURE(from.shape.str(), from.strides[0], to.strides[0], from.first, to.first);
  auto x = random_array<In>({kElements}, 1);
  if constexpr (sizeof(In) == 8)  // values that f32 does not hold
    for (auto& v : x.values) v *= 1.0 + 1e-9;
  compare_with_cpu(
      [&](Stream& stream) {
        const TensorView in = view(x, from);
        return Outputs{copied<float>(stream, in, to), copied<bf16>(stream, in, to),
                       copied<double>(stream, in, to)};
      },
      0.0);
}

TEMPLATE_TEST_CASE("simt: copy converts, contiguous", "[simt]", float, bf16, double) {
  for (const std::int64_t n : {0, 1, 8, 1023, 8192}) check_copies<TestType>({{n}, {1}}, {{n}, {1}});
  check_copies<TestType>({{4096}, {1}, 1}, {{4096}, {1}});  // not at a multiple of 16 bytes
  check_copies<TestType>({{4096}, {1}}, {{4096}, {1}, 3});
}

TEMPLATE_TEST_CASE("simt: copy of slices, heads and repeats", "[simt]", float, bf16, double) {
  check_copies<TestType>({{30, 64}, {256, 1}, 64}, {{30, 64}, {64, 1}});
  check_copies<TestType>({{30, 37}, {111, 1}, 37}, {{30, 37}, {40, 1}});
  check_copies<TestType>({{2, 5, 4, 16}, {320, 64, 16, 1}}, {{2, 5, 4, 16}, {320, 16, 80, 1}});
  check_copies<TestType>({{12, 48}, {0, 1}}, {{12, 48}, {48, 1}});
  check_copies<TestType>({{12, 48}, {1, 0}}, {{12, 48}, {48, 1}});
  check_copies<TestType>({{7, 3, 5}, {100, 9, 2}}, {{7, 3, 5}, {500, 70, 3}});
  check_copies<TestType>({{}, {}}, {{}, {}});
}

// Two dims swapped: tiles through shared memory, for odd sizes, in batches, in either direction,
// and with gaps on both sides; too narrow for tiles in the last.
TEMPLATE_TEST_CASE("simt: copy transposes", "[simt]", float, bf16, double) {
  check_copies<TestType>({{90, 71}, {1, 90}}, {{90, 71}, {71, 1}});
  check_copies<TestType>({{90, 71}, {71, 1}}, {{90, 71}, {1, 90}});
  check_copies<TestType>({{64, 128}, {1, 64}}, {{64, 128}, {128, 1}});
  check_copies<TestType>({{3, 33, 2, 20}, {1400, 1, 700, 34}}, {{3, 33, 2, 20}, {1400, 40, 20, 1}});
  check_copies<TestType>({{8, 9}, {1, 100}}, {{8, 9}, {200, 1}});
  check_copies<TestType>({{500, 3}, {1, 500}}, {{500, 3}, {3, 1}});
}

TEMPLATE_TEST_CASE("simt: fill", "[simt]", float, bf16, double) {
  for (const Layout& layout :
       {Layout{{0}, {1}}, Layout{{}, {}}, Layout{{4096}, {1}}, Layout{{1021}, {1}, 1},
        Layout{{9, 32}, {64, 1}}, Layout{{9, 5, 3}, {64, 7, 2}, 2}})
    compare_with_cpu(
        [&](Stream& stream) {
          Array<TestType> y({kElements}, TestType(9.0f));
          stream.submit(Fill{.y = view(y, layout), .value = 1.0 / 3.0});
          return Outputs{values_of(y)};
        },
        0.0);
}

}  // namespace
}  // namespace gigatrain::kernels
