// Many arrays added over the tree in one pass.
#include "kernels/tree_sums.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr int kCounts[] = {1, 2, 4, 8, 16};

TEST_CASE("arrays added in one pass have the bits of adding pairs", "[unit][kernels]") {
  Device device({.threads = 2});
  for (const int count : kCounts)
    for (const int then : {0, 1, 3, TreeSum::kMostThen})
      for (const std::int64_t n : {0, 1, 16, 16384, 40007}) {
        CAPTURE(count, then, n);
        const auto arrays = [&] { return TreeArrays(count, n, 0, then); };
        const Array<float> want = arrays().by_pairs(device.stream());
        for (const int target : {0, count + then - 1})
          CHECK((bytes_of(arrays().at_once(device.stream(), target)) == bytes_of(want)));
      }
}

TEST_CASE("the arrays of these tests would show another order", "[unit][kernels]") {
  TreeArrays arrays(8, 1000);
  std::vector<float> in_order = arrays.x[0].values;
  for (std::size_t a = 1; a < 8; ++a)
    for (std::size_t i = 0; i < in_order.size(); ++i) in_order[i] += arrays.x[a].values[i];
  Device device;
  CHECK(in_order != arrays.by_pairs(device.stream()).values);
}

TEST_CASE("sums elsewhere leave the arrays alone", "[unit][kernels]") {
  TreeArrays arrays(4, 1003);
  const TreeArrays before(4, 1003);
  Array<float> y({1003});
  Device device;
  device.stream().submit(
      TreeSum{.x = {arrays.data(0), arrays.data(1), arrays.data(2), arrays.data(3)},
              .count = 4,
              .y = y.values.data(),
              .numel = 1003});
  for (std::size_t i = 0; i < 4; ++i) CHECK(arrays.x[i].values == before.x[i].values);
  CHECK(y.values == arrays.by_pairs(device.stream()).values);
}

TEST_CASE("tree sums give the same bits everywhere", "[unit][kernels]") {
  for (const int count : kCounts)
    check_same_bits([count](Stream& stream) {
      return bytes_of(TreeArrays(count, 40007, 1, 2).at_once(stream, 0));
    });
}

}  // namespace
}  // namespace gigatrain::kernels
