// The GPU's softmax on the host SIMT machine, beside the CPU's.
#include "kernels/softmax.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

// Rows of a warp and of a block, in packs and not, up to several rounds of the block.
TEMPLATE_TEST_CASE("simt: softmax", "[simt]", float, bf16) {
  for (const std::int64_t columns : {1, 3, 40, 257, 1032, 3001, 4096})
    for (const bool log : {false, true}) {
      CAPTURE(columns, log);
      auto x = random_array<TestType>({3, columns}, 1, -8.0f, 8.0f),
           y = random_array<TestType>({3, columns}, 2, log ? -8.0f : 0.0f, log ? 0.0f : 0.1f),
           dy = random_array<TestType>({3, columns}, 3);
      compare_with_cpu(
          [&](Stream& stream) {
            Array<TestType> out(x.shape), dx = dy;
            stream.submit(SoftmaxForward{.x = x.view(), .y = out.view(), .log = log});
            stream.submit(SoftmaxBackward{
                .y = y.view(), .dy = dx.view(), .dx = dx.view(), .log = log});  // in place
            return Outputs{values_of(out), values_of(dx)};
          },
          sizeof(TestType) == 2 ? 0x1p-8 : 4e-6);
    }
}

// Logits far apart and masked ones: the rest of the row is as if they were not there.
TEST_CASE("simt: softmax of extreme rows", "[simt]") {
  Array<float> x({4, 3}), y({4, 3}), l({4, 3});
  x.values = {1e30f, -1e30f, 1e30f, -INFINITY, 5.0f, -INFINITY,
              NAN,   1.0f,   2.0f,  INFINITY,  0.0f, 1.0f};
  Device cpu({.threads = 1});
  const auto device = simt_device();
  for (Device* d : {&cpu, device.get()}) {
    d->stream().submit(SoftmaxForward{.x = x.view(), .y = y.view()});
    d->stream().submit(SoftmaxForward{.x = x.view(), .y = l.view(), .log = true});
    CHECK((y[0] == 0.5f && y[1] == 0.0f && y[2] == 0.5f));
    CHECK((y[3] == 0.0f && y[4] == 1.0f && y[5] == 0.0f));
    CHECK(l[0] == Approx(-std::log(2.0)));
    CHECK((l[3] == -INFINITY && l[4] == 0.0f));
    for (int i = 6; i < 9; ++i) CHECK((std::isnan(y[i]) && std::isnan(l[i])));
    CHECK((std::isnan(y[9]) && std::isnan(l[9])));
  }
}

TEST_CASE("simt: softmax of no rows, and its dtypes", "[simt]") {
  Array<float> none({0, 5});
  Array<double> x({2, 2});
  Device cpu({.threads = 1});
  const auto device = simt_device();
  for (Device* d : {&cpu, device.get()}) {
    d->stream().submit(SoftmaxForward{.x = none.view(), .y = none.view()});
    CHECK_THROWS_WITH(d->stream().submit(SoftmaxForward{.x = x.view(), .y = x.view()}),
                      Catch::Contains("softmax_forward") && Catch::Contains("f64"));
  }
}

}  // namespace
}  // namespace gigatrain::kernels
