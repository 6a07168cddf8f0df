// The GPU's rotary embeddings on the host SIMT machine, beside the CPU's.
#include "kernels/cuda/rope.cuh"

#include "kernels/rope_case.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
void compare(const RopeShape& shape, bool in_place = false) {
  CAPTURE(shape.d, shape.pairs, shape.interleaved, shape.norm, shape.heads(), in_place);
  compare_with_cpu(
      [&](Stream& stream) {
        RopeCase<T> c(shape);
        RopeForward forward = c.forward();
        RopeBackward backward = c.backward();
        if (in_place) forward.y = forward.x, backward.dx = backward.dy;
        stream.submit(backward);
        stream.submit(forward);
        return Outputs{values_of(in_place ? c.x : c.y), values_of(in_place ? c.dy : c.dx),
                       values_of(c.dq_weight), values_of(c.dk_weight)};
      },
      kRounding<T> + 2e-6);
}

// Heads in packs and not, on 1 to 32 threads, with elements that stay.
TEMPLATE_TEST_CASE("simt: rope agrees with the CPU", "[simt]", float, bf16) {
  for (const bool norm : {false, true})
    for (const bool interleaved : {false, true}) {
      compare<TestType>({.d = 7, .pairs = 3, .interleaved = interleaved, .norm = norm});
      compare<TestType>({.d = 48, .pairs = 24, .interleaved = interleaved, .norm = norm});
      compare<TestType>({.d = 96, .pairs = 16, .interleaved = interleaved, .norm = norm});
      compare<TestType>({.b = 1, .d = 128, .pairs = 64, .interleaved = interleaved, .norm = norm},
                        true);
    }
  compare<TestType>({.b = 1, .t = 2, .d = 512, .pairs = 256});
  compare<TestType>({.b = 1, .t = 2, .d = 511, .pairs = 250});
}

// More heads than a chunk, several slabs, rows that end within a block's round.
TEMPLATE_TEST_CASE("simt: rope of any number of heads and positions", "[simt]", float, bf16) {
  compare<TestType>({.b = 1, .t = 2, .q = 19, .k = 9, .others = 9, .d = 16, .pairs = 8});
  compare<TestType>({.b = 3, .t = 101, .q = 1, .k = 1, .others = 1, .d = 16, .pairs = 8});
  compare<TestType>({.b = 0, .d = 16, .pairs = 8});
  CHECK(cuda::rope_slab_rows(16 * 128, 16) == 16);
  CHECK(cuda::rope_slab_rows(16 * 128 + 1, 16) == 32);
}

TEST_CASE("simt: rope with one norm, and without its gradient", "[simt]") {
  compare_with_cpu(
      [](Stream& stream) {
        RopeCase<bf16> c({.d = 64, .pairs = 32});
        RopeForward forward = c.forward();
        forward.q_weight = {};
        stream.submit(forward);
        RopeBackward backward = c.backward();
        backward.q_weight = backward.dq_weight = {};
        backward.accumulate = false;
        stream.submit(backward);
        const Outputs first{values_of(c.y), values_of(c.dx), values_of(c.dk_weight)};
        backward = c.backward();
        backward.dq_weight = backward.dk_weight = {};
        stream.submit(backward);
        return Outputs{first[0], first[1], first[2], values_of(c.dx)};
      },
      kRounding<bf16>);
}

// Both compute the same angles, bit for bit.
TEST_CASE("simt: plain rope has the CPU's bits", "[simt]") {
  RopeCase<float> cpu({.d = 64, .pairs = 32, .norm = false}), simt(cpu);
  Device device({.threads = 1});
  device.stream().submit(cpu.forward());
  simt_device(simt::Order::shuffled)->stream().submit(simt.forward());
  CHECK((cpu.y.values == simt.y.values));
}

}  // namespace
}  // namespace gigatrain::kernels
