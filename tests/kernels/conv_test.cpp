// Columns of a convolution, sums over channels and group norm on the CPU: the same bits in every
// class of vector code, and what they mean.
#include "kernels/conv.h"

#include "kernels/conv_geometries.h"
#include "kernels/group_norm.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEMPLATE_TEST_CASE("columns have the same bits everywhere", "[unit][conv]", float, bf16) {
  for (const Geometry& g : kGeometries)
    check_same_bits([&](Stream& stream) {
      auto x = random_array<TestType>({g.n, g.c, g.h, g.w}, 1);
      Array<TestType> columns({g.n, g.taps(), g.pixels()}, TestType(9.0f)), dx(x.shape);
      Array<float> sums({g.c}, 0.5f);
      stream.submit(Im2col{.x = x.view(), .columns = columns.view(), .window = g.window});
      stream.submit(Col2im{.columns = columns.view(), .dx = dx.view(), .window = g.window});
      const TensorView planes(x.values.data(), x.view().dtype, {g.n, g.c, g.h * g.w});
      stream.submit(ChannelSum{.x = planes, .y = sums.view(), .accumulate = true});
      return bytes_of(columns, dx, sums);
    });
}

TEMPLATE_TEST_CASE("group norm has the same bits everywhere", "[unit][conv]", float, bf16) {
  for (const Shape& shape : {Shape{2, 6, 35}, Shape{3, 4, 4200}, Shape{1, 8, 1}}) {
    const Shape rows{shape[0], 2}, channels{shape[1]};
    check_same_bits([&](Stream& stream) {
      auto x = random_array<TestType>(shape, 1), dy = random_array<TestType>(shape, 2);
      auto weight = random_array<float>(channels, 3), bias = random_array<float>(channels, 4);
      Array<TestType> y(shape), dx(shape);
      Array<float> mean(rows), rstd(rows), dweight(channels), dbias(channels);
      stream.submit(GroupNormForward{.x = x.view(),
                                     .weight = weight.view(),
                                     .bias = bias.view(),
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
                                      .dbias = dbias.view()});
      return bytes_of(y, mean, rstd, dx, dweight, dbias);
    });
  }
}

// <im2col(x), c> = <x, col2im(c)>: one is the other's transpose.
TEST_CASE("columns and their inverse are adjoint", "[unit][conv]") {
  Device cpu({.threads = 1});
  for (const Geometry& g : kGeometries) {
    auto x = random_array<float>({g.n, g.c, g.h, g.w}, 1);
    Array<float> dx(x.shape), columns({g.n, g.taps(), g.pixels()});
    auto c = random_array<float>(columns.shape, 2);
    cpu.stream().submit(Im2col{.x = x.view(), .columns = columns.view(), .window = g.window});
    cpu.stream().submit(Col2im{.columns = c.view(), .dx = dx.view(), .window = g.window});
    double left = 0, right = 0;
    for (std::int64_t i = 0; i < c.size(); ++i) left += columns.at(i) * c.at(i);
    for (std::int64_t i = 0; i < dx.size(); ++i) right += x.at(i) * dx.at(i);
    CHECK(left == Approx(right).margin(1e-4));
  }
}

}  // namespace
}  // namespace gigatrain::kernels
