// The GPU's convolution and group norm kernels on the host SIMT machine, beside the CPU's.
#include "kernels/conv.h"

#include "kernels/conv_geometries.h"
#include "kernels/group_norm.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEMPLATE_TEST_CASE("simt: columns of a convolution", "[simt]", float, bf16) {
  for (const Geometry& g : kGeometries)
    compare_with_cpu(
        [&](Stream& stream) {
          auto x = random_array<TestType>({g.n, g.c, g.h, g.w}, 1);
          Array<TestType> columns({g.n, g.taps(), g.pixels()}, TestType(9.0f));
          stream.submit(Im2col{.x = x.view(), .columns = columns.view(), .window = g.window});
          return Outputs{values_of(columns)};
        },
        0.0);
}

// A part of the output's rows, one tap's pixels of all samples in a row.
TEST_CASE("simt: columns of some rows, by tap", "[simt]") {
  const Geometry& g = kGeometries[0];
  compare_with_cpu(
      [&](Stream& stream) {
        auto x = random_array<float>({g.n, g.c, g.h, g.w}, 1);
        const std::int64_t pixels = 2 * g.w;
        Array<float> columns({g.taps(), g.n, pixels}, 9.0f);
        TensorView by_sample = columns.view();
        by_sample.shape = {g.n, g.taps(), pixels};
        by_sample.strides = {pixels, g.n * pixels, 1};
        stream.submit(
            Im2col{.x = x.view(), .columns = by_sample, .window = g.window, .first_row = 2});
        return Outputs{values_of(columns)};
      },
      0.0);
}

TEMPLATE_TEST_CASE("simt: columns back to images, to the bit", "[simt]", float, bf16) {
  for (const Geometry& g : kGeometries)
    compare_with_cpu(
        [&](Stream& stream) {
          auto columns = random_array<TestType>({g.n, g.taps(), g.pixels()}, 2);
          Array<TestType> dx({g.n, g.c, g.h, g.w}, TestType(9.0f));
          stream.submit(Col2im{.columns = columns.view(), .dx = dx.view(), .window = g.window});
          return Outputs{values_of(dx)};
        },
        0.0);
}

TEMPLATE_TEST_CASE("simt: sums over channels", "[simt]", float, bf16) {
  for (const Shape& shape : {Shape{2, 3, 5}, Shape{1, 9, 1024}, Shape{40, 2, 8}, Shape{3, 1, 1},
                             Shape{0, 2, 4}, Shape{2, 40, 37}})
    for (const bool accumulate : {false, true})
      compare_with_cpu(
          [&](Stream& stream) {
            auto x = random_array<TestType>(shape, 3);
            Array<float> y({shape[1]}, 0.5f);
            stream.submit(ChannelSum{.x = x.view(), .y = y.view(), .accumulate = accumulate});
            return Outputs{values_of(y)};
          },
          2e-6);
}

template <class T>
void compare_group_norm(const Shape& shape, std::int64_t groups, bool bias, float offset) {
  CAPTURE(shape.str(), groups);
  const Shape channels{shape[1]}, rows{shape[0], groups};
  Outputs sums;
  compare_with_cpu(
      [&](Stream& stream) {
        auto x = random_array<T>(shape, 1, offset - 1.0f, offset + 1.0f),
             dy = random_array<T>(shape, 2);
        auto weight = random_array<float>(channels, 3), b = random_array<float>(channels, 4);
        Array<T> y(shape), dx(shape);
        Array<float> mean(rows), rstd(rows), dweight(channels, 9.0f), dbias(channels, 9.0f);
        stream.submit(GroupNormForward{.x = x.view(),
                                       .weight = weight.view(),
                                       .bias = bias ? b.view() : TensorView{},
                                       .y = y.view(),
                                       .mean = mean.view(),
                                       .rstd = rstd.view()});
        stream.submit(GroupNormBackward{.x = x.view(),
                                        .weight = weight.view(),
                                        .mean = mean.view(),
                                        .rstd = rstd.view(),
                                        .dy = dy.view(),
                                        .dx = dx.view(),
                                        .dweight = dweight.view(),
                                        .dbias = bias ? dbias.view() : TensorView{}});
        const Outputs exact{values_of(mean), values_of(rstd), values_of(dweight), values_of(dbias)};
        if (sums.empty()) sums = exact;
        for (std::size_t i = 0; i < exact.size(); ++i)
          CHECK(relative_error(exact[i], sums[i]) <= 5e-6);
        return Outputs{values_of(y), values_of(dx)};
      },
      kRounding<T> + 5e-6);
}

// One or several channels a group, packs or not, more channels than warps, teams of all sizes.
TEMPLATE_TEST_CASE("simt: group norm agrees with the CPU", "[simt]", float, bf16) {
  compare_group_norm<TestType>({2, 6, 35}, 2, true, 0.0f);
  compare_group_norm<TestType>({1, 4, 64}, 4, false, 0.0f);
  compare_group_norm<TestType>({2, 8, 600}, 1, true, 0.0f);
  compare_group_norm<TestType>({1, 40, 8}, 2, true, 0.0f);
  compare_group_norm<TestType>({3, 35, 1}, 1, true, 0.0f);
  compare_group_norm<TestType>({0, 4, 8}, 2, true, 0.0f);
}

TEST_CASE("simt: group norm of values far from zero", "[simt]") {
  compare_group_norm<float>({1, 4, 64}, 2, true, 100.0f);
}

// The gradient may be written over dy.
TEST_CASE("simt: group norm in the place of its gradient", "[simt]") {
  const Shape shape{2, 4, 24};
  compare_with_cpu(
      [&](Stream& stream) {
        auto x = random_array<float>(shape, 1), dy = random_array<float>(shape, 2);
        auto weight = random_array<float>({4}, 3);
        Array<float> y(shape), mean({2, 2}), rstd({2, 2});
        stream.submit(GroupNormForward{.x = x.view(),
                                       .weight = weight.view(),
                                       .y = y.view(),
                                       .mean = mean.view(),
                                       .rstd = rstd.view()});
        stream.submit(GroupNormBackward{.x = x.view(),
                                        .weight = weight.view(),
                                        .mean = mean.view(),
                                        .rstd = rstd.view(),
                                        .dy = dy.view(),
                                        .dx = dy.view()});
        return Outputs{values_of(dy)};
      },
      5e-6);
}

}  // namespace
}  // namespace gigatrain::kernels
