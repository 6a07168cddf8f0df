// The GPU's sums of many arrays on the host SIMT machine: the CPU's bits.
#include "kernels/tree_sums.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEST_CASE("simt: arrays added in one pass have the CPU's bits", "[simt]") {
  for (const int count : {1, 2, 4, 8, 16})
    for (const std::int64_t n : {0, 3, 1024, 9003})
      for (const std::int64_t skipped : {0, 1})
        for (const int then : {0, 2, TreeSum::kMostThen}) {
          CAPTURE(count, n, skipped, then);
          compare_with_cpu(
              [&](Stream& stream) {
                TreeArrays arrays(count, n, skipped, then);
                return Outputs{values_of(arrays.at_once(stream, (count + then) / 2))};
              },
              0.0);
        }
}

}  // namespace
}  // namespace gigatrain::kernels
