// The state digest on the GPU: kernels/reduce.h, base/hash.h. The sum is of integers modulo a
// prime, hence the CPU's number exactly, however it is cut.
#pragma once

#include "gigatrain/base/hash.h"
#include "kernels/cuda/geometry.h"
#include "kernels/reduce.h"

namespace gigatrain::kernels::cuda {

template <int kThreads, class Cta>
GT_DEVICE std::uint64_t block_digest(Cta& cta, std::uint64_t sum, std::uint64_t* slots) {
  GT_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) sum = digest_add(sum, cta.shfl_xor(sum, mask));
  if (cta.lane() == 0) slots[cta.warp()] = sum;
  cta.sync();
  std::uint64_t total = slots[0];
  GT_UNROLL
  for (int w = 1; w < kThreads / kWarp; ++w) total = digest_add(total, slots[w]);
  return total;
}

// partials[block] = the digest of kElements elements, whose bits are of type Bits.
template <class Bits, int N>
struct DigestKernel {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kElements = 16384;
  struct Shared {
    std::uint64_t slots[kThreads / kWarp];
  };
  const Bits* x;
  std::int64_t n;  // a multiple of N
  std::uint64_t first_index;
  std::uint64_t* partials;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t begin = cta.block() * kElements;
    const std::int64_t end = begin + kElements < n ? begin + kElements : n;
    std::uint64_t sum = 0;
    for (std::int64_t i = begin + cta.thread() * N; i < end; i += kThreads * N) {
      const Pack<Bits, N> pack = load_pack<N>(x + i);
      GT_UNROLL
      for (int k = 0; k < N; ++k)
        sum =
            digest_add(sum, digest_mix(first_index + static_cast<std::uint64_t>(i + k), pack.v[k]));
    }
    sum = block_digest<kThreads>(cta, sum, s.slots);
    if (cta.thread() == 0) partials[cta.block()] = sum;
  }
};

struct AddDigestsKernel {
  static constexpr int kThreads = 512;
  struct Shared {
    std::uint64_t slots[kThreads / kWarp];
  };
  const std::uint64_t* partials;
  std::int64_t count;
  std::uint64_t* digest;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    std::uint64_t sum = 0;
    for (std::int64_t i = cta.thread(); i < count; i += kThreads)
      sum = digest_add(sum, partials[i]);
    sum = block_digest<kThreads>(cta, sum, s.slots);
    if (cta.thread() == 0) *digest = sum;
  }
};

template <class Bits, class Queue>
void launch_digest(Queue& queue, const Digest& a) {
  const std::int64_t n = a.x.numel(), blocks = blocks_for(n, DigestKernel<Bits, 1>::kElements);
  const Storage memory = queue.scratch(blocks * 8, "digest.partials");
  auto* const partials = static_cast<std::uint64_t*>(memory.data());
  with_width<Bits>(packs_fit<Bits>(n, {a.x.data}), [&](auto width) {
    queue.launch(
        DigestKernel<Bits, decltype(width)::value>{
            .x = a.x.as<Bits>(), .n = n, .first_index = a.first_index, .partials = partials},
        {.x = blocks});
  });
  queue.launch(AddDigestsKernel{.partials = partials, .count = blocks, .digest = a.digest}, {});
}

template <class Queue>
void launch(Queue& queue, const Digest& a) {
  switch (size_of(a.x.dtype)) {
    case 8:
      return launch_digest<std::uint64_t>(queue, a);
    case 4:
      return launch_digest<std::uint32_t>(queue, a);
    case 2:
      return launch_digest<std::uint16_t>(queue, a);
    default:
      return launch_digest<std::uint8_t>(queue, a);
  }
}

}  // namespace gigatrain::kernels::cuda
