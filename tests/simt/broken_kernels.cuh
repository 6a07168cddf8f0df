// Kernels that are wrong on purpose, each in one way, and one that is right: the host SIMT machine
// (kernels/simt/machine.h) must tell them apart. The right one reverses each block of its input.
#pragma once

#include "kernels/cuda/cta.cuh"

namespace gigatrain::simt::broken {

struct Reverse {
  static constexpr int kThreads = 64;
  struct Shared {
    float values[kThreads];
  };
  const float* x;
  float* y;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t i = cta.block() * kThreads + cta.thread();
    s.values[cta.thread()] = x[i];
    cta.sync();
    y[i] = s.values[kThreads - 1 - cta.thread()];
  }
};

// Reverse without its barrier: on a GPU it is right whenever the other warp happens to be ahead.
struct ReverseWithoutBarrier : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t i = cta.block() * kThreads + cta.thread();
    s.values[cta.thread()] = x[i];
    y[i] = s.values[kThreads - 1 - cta.thread()];
  }
};

// Two rounds through one buffer, the barrier before the second write left out: a slow reader of the
// first round may see the second. Neighbours in a ring differ in their place in every order.
struct ReuseWithoutBarrier : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t i = cta.block() * kThreads + cta.thread();
    const int next = (cta.thread() + 1) % kThreads;
    s.values[cta.thread()] = x[i];
    cta.sync();
    const float first = s.values[next];
    s.values[cta.thread()] = -first;
    cta.sync();
    y[i] = first + s.values[next];
  }
};

// Every thread writes one word of shared memory; who is last differs.
struct SharedRace : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    s.values[0] = static_cast<float>(cta.thread());
    cta.sync();
    y[cta.block() * kThreads + cta.thread()] = s.values[0];
  }
};

// Every block adds to one word of global memory, as if blocks ran one after the other.
struct GlobalRace : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    if (cta.thread() == 0) y[0] = 0.5f * y[0] + static_cast<float>(cta.block() + 1);
  }
};

// The first `early` threads leave, and never reach the barrier of the others.
struct DivergentExit : Reverse {
  int early = 16;
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    if (cta.thread() < early) return;
    cta.sync();
  }
};

// One lane of each warp goes to a barrier, the others to a shuffle.
struct DivergentShuffle : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    if (cta.lane() == 3)
      cta.sync();
    else
      cta.shfl_xor(1.0f, 1);
  }
};

// Packs of 16 bytes from an address that is a multiple of 4.
struct Misaligned : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    if (cta.thread() == 0) kernels::cuda::store_pack(y, kernels::cuda::load_pack<4>(x + 1));
  }
};

// One element too far. (Through a pointer, so that it is AddressSanitizer that sees it.)
struct OutOfShared : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    float* values = s.values;
    values[cta.thread() + 1] = x[cta.thread()];
    cta.sync();
    y[cta.thread()] = values[cta.thread()];
  }
};
struct OutOfGlobal : Reverse {
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    y[cta.thread()] = x[cta.thread() + 1];
  }
};

}  // namespace gigatrain::simt::broken
