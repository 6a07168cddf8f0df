// Softmax, gather, its gradient and top-k give the same bytes whatever the threads and the vector
// code; their values are compared with a GPU's kernels in tests/simt, and with f64 in tests/ops.
#include "kernels/index.h"

#include "kernels/same_bits.h"
#include "kernels/softmax.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEMPLATE_TEST_CASE("softmax gives the same bits", "[unit][kernels]", float, bf16) {
  for (const std::int64_t columns : {5, 64, 3001})
    check_same_bits([columns](Stream& stream) {
      auto x = random_array<TestType>({37, columns}, 1, -30, 30);
      Array<TestType> y(x.shape), l(x.shape), dx(x.shape), dl(x.shape);
      stream.submit(SoftmaxForward{.x = x.view(), .y = y.view()});
      stream.submit(SoftmaxForward{.x = x.view(), .y = l.view(), .log = true});
      stream.submit(SoftmaxBackward{.y = y.view(), .dy = x.view(), .dx = dx.view()});
      stream.submit(SoftmaxBackward{.y = l.view(), .dy = x.view(), .dx = dl.view(), .log = true});
      return bytes_of(y, l, dx, dl);
    });
}

TEMPLATE_TEST_CASE("gather, its gradient and top-k give the same bits", "[unit][kernels]", float,
                   bf16) {
  check_same_bits([](Stream& stream) {
    auto x = random_array<TestType>({70, 33, 300}, 1);
    auto index = random_tokens({70, 90, 300}, 2, 33);
    Array<TestType> y(index.shape), values({70 * 33, 4});
    Array<float> dx(x.shape);
    Array<std::int32_t> indices(values.shape);
    stream.submit(Gather{.x = x.view(), .index = index.view(), .y = y.view()});
    stream.submit(ScatterAdd{.index = index.view(), .dy = y.view(), .dx = dx.view()});
    TensorView rows = x.view();
    rows.shape = {70 * 33, 300};
    rows.strides = {300, 1};
    stream.submit(TopK{.x = rows, .values = values.view(), .indices = indices.view()});
    return bytes_of(y, dx, values, indices);
  });
}

}  // namespace
}  // namespace gigatrain::kernels
