// What portable kernels are written with. A kernel is a functor,
//
//   template <class T, int N> struct ScaleKernel {
//     static constexpr int kThreads = 256;       // of a block
//     struct Shared {};                          // its shared memory
//     const T* x; T* y; std::int64_t n;          // its arguments, plain values
//     template <class Cta> GT_DEVICE void operator()(Cta& cta, Shared& s) const { ... }
//   };
//
// and beside it stands its geometry, `template <class Queue> void launch(Queue&, const Scale&)`,
// which picks element type and width and calls queue.launch(kernel, grid) (queue.h). nvcc compiles
// both for the device; g++ compiles both for the host SIMT machine (simt/), where CI proves them.
//
// A Cta is a block's view of itself: thread(), lane(), warp(), block(), block_y(), sync(),
// shfl_xor(v, mask), shfl(v, lane). Every thread of a block must reach every sync(), every lane of
// a warp every shuffle. Sums are in an order fixed by the shape and kThreads: no atomics on floats.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "gigatrain/base/dtype.h"
#include "gigatrain/base/philox.h"

#if defined(__CUDACC__)
#define GT_DEVICE __device__ __forceinline__
#define GT_HOST_DEVICE __host__ __device__ __forceinline__
#define GT_UNROLL _Pragma("unroll")
#define GT_UNROLL_4 _Pragma("unroll 4")  // so that four iterations' loads are in flight
#else
#define GT_DEVICE inline
#define GT_HOST_DEVICE inline
#define GT_UNROLL
#define GT_UNROLL_4
#endif

namespace gigatrain::kernels::cuda {

inline constexpr int kWarp = 32;

// --- conversions; bf16 and f16 round to nearest even
GT_DEVICE float to_float(float x) {
  return x;
}
GT_DEVICE double to_float(double x) {
  return x;
}
GT_DEVICE float to_float(bf16 x) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
#else
  return static_cast<float>(x);
#endif
}
GT_DEVICE float to_float(f16 x) {
#if defined(__CUDA_ARCH__)
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(x.bits));
  return out;
#else
  return static_cast<float>(x);
#endif
}

template <std::integral T>
GT_DEVICE T to_float(T x) {  // copies and comparisons of integers
  return x;
}

template <class T>
struct From {
  static GT_DEVICE T cast(T x) { return x; }
};
template <>
struct From<float> {
  static GT_DEVICE float cast(float x) { return x; }
  static GT_DEVICE float cast(double x) { return static_cast<float>(x); }
};
template <>
struct From<double> {
  static GT_DEVICE double cast(float x) { return static_cast<double>(x); }
  static GT_DEVICE double cast(double x) { return x; }
};
template <>
struct From<bf16> {
  static GT_DEVICE bf16 cast(float x) {
#if defined(__CUDA_ARCH__)
    bf16 out;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
    return out;
#else
    return bf16(x);
#endif
  }
  static GT_DEVICE bf16 cast(double x) {
    return cast(static_cast<float>(x));
  }
};
template <>
struct From<f16> {
  static GT_DEVICE f16 cast(float x) {
#if defined(__CUDA_ARCH__)
    f16 out;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
    return out;
#else
    return f16(x);
#endif
  }
  static GT_DEVICE f16 cast(double x) {
    return cast(static_cast<float>(x));
  }
};
// from_float<T>(x): x rounded to T.
template <class T, class F>
GT_DEVICE T from_float(F x) {
  return From<T>::cast(x);
}
// The arithmetic type of T: float for float, bf16 and f16, else T itself.
template <class T>
struct Wide {
  using type = float;
};
template <std::integral T>
struct Wide<T> {
  using type = T;
};
template <>
struct Wide<double> {
  using type = double;
};
template <class T>
using WideOf = typename Wide<T>::type;

// Word element % 4 of its random block. Selects rather than an index, which would put the block
// into local memory.
GT_DEVICE std::uint32_t pick_word(const PhiloxBlock& words, std::uint64_t element) {
  const unsigned k = static_cast<unsigned>(element % 4);
  return k == 0 ? words[0] : k == 1 ? words[1] : k == 2 ? words[2] : words[3];
}

// --- packs: N elements that move as one access of at most 16 bytes
template <class T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

template <class T, int N>
struct alignas(N * sizeof(T)) Pack {
  T v[N];
};

#if !defined(__CUDA_ARCH__)
// A GPU faults on a misaligned access; a host would not, so the SIMT machine looks.
inline void require_aligned(const void* p, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    throw std::logic_error("simt: an access of " + std::to_string(bytes) +
                           " bytes is not aligned to them");
}
#endif

template <int N, class T>
GT_DEVICE Pack<T, N> load_pack(const T* p) {
  Pack<T, N> out;
#if defined(__CUDA_ARCH__)
  if constexpr (N * sizeof(T) == 16) {
    const uint4 bits = *reinterpret_cast<const uint4*>(p);
    memcpy(&out, &bits, 16);
  } else if constexpr (N * sizeof(T) == 8) {
    const uint2 bits = *reinterpret_cast<const uint2*>(p);
    memcpy(&out, &bits, 8);
  } else {
    out = *reinterpret_cast<const Pack<T, N>*>(p);
  }
#else
  require_aligned(p, sizeof out);
  std::memcpy(&out, p, sizeof out);
#endif
  return out;
}

template <int N, class T>
GT_DEVICE void store_pack(T* p, const Pack<T, N>& x) {
#if defined(__CUDA_ARCH__)
  if constexpr (N * sizeof(T) == 16) {
    uint4 bits;
    memcpy(&bits, &x, 16);
    *reinterpret_cast<uint4*>(p) = bits;
  } else if constexpr (N * sizeof(T) == 8) {
    uint2 bits;
    memcpy(&bits, &x, 8);
    *reinterpret_cast<uint2*>(p) = bits;
  } else {
    *reinterpret_cast<Pack<T, N>*>(p) = x;
  }
#else
  require_aligned(p, sizeof x);
  std::memcpy(p, &x, sizeof x);
#endif
}

// N elements as floats (doubles for T = double), and back.
template <int N, class T>
GT_DEVICE void load_wide(const T* p, WideOf<T> (&out)[N]) {
  if constexpr (N * sizeof(T) > 16) {  // e.g. eight f32 beside eight bf16: two accesses
    constexpr int kHalf = N / 2;
    WideOf<T> part[kHalf];
    load_wide<kHalf>(p, part);
    GT_UNROLL
    for (int i = 0; i < kHalf; ++i) out[i] = part[i];
    load_wide<kHalf>(p + kHalf, part);
    GT_UNROLL
    for (int i = 0; i < kHalf; ++i) out[kHalf + i] = part[i];
  } else {
    const Pack<T, N> pack = load_pack<N>(p);
    GT_UNROLL
    for (int i = 0; i < N; ++i) out[i] = to_float(pack.v[i]);
  }
}

template <int N, class T>
GT_DEVICE void store_wide(T* p, const WideOf<T> (&x)[N]) {
  if constexpr (N * sizeof(T) > 16) {
    constexpr int kHalf = N / 2;
    WideOf<T> part[kHalf];
    GT_UNROLL
    for (int i = 0; i < kHalf; ++i) part[i] = x[i];
    store_wide<kHalf>(p, part);
    GT_UNROLL
    for (int i = 0; i < kHalf; ++i) part[i] = x[kHalf + i];
    store_wide<kHalf>(p + kHalf, part);
  } else {
    Pack<T, N> pack;
    GT_UNROLL
    for (int i = 0; i < N; ++i) pack.v[i] = from_float<T>(x[i]);
    store_pack<N>(p, pack);
  }
}

// --- sums and maxima over a warp and a block; every thread gets the result, in one fixed order
struct Plus {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a + b;
  }
};
struct Larger {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a > b ? a : b;
  }
};

template <class Cta, class F, class Join>
GT_DEVICE F warp_reduce(Cta& cta, F v, Join join) {
  GT_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) v = join(v, cta.shfl_xor(v, mask));
  return v;
}

// `slots`: shared memory of kThreads / 32 values. It may be used again after the call: the barrier
// before the first write lets slow readers of an earlier use finish.
template <int kThreads, class Cta, class F, class Join>
GT_DEVICE F block_reduce(Cta& cta, F v, F* slots, Join join) {
  constexpr int kWarps = kThreads / kWarp;
  v = warp_reduce(cta, v, join);
  cta.sync();
  if (cta.lane() == 0) slots[cta.warp()] = v;
  cta.sync();
  F total = slots[0];
  GT_UNROLL
  for (int w = 1; w < kWarps; ++w) total = join(total, slots[w]);
  return total;
}

template <class Cta, class F>
GT_DEVICE F warp_sum(Cta& cta, F v) {
  return warp_reduce(cta, v, Plus());
}
template <class Cta, class F>
GT_DEVICE F warp_max(Cta& cta, F v) {
  return warp_reduce(cta, v, Larger());
}
template <int kThreads, class Cta, class F>
GT_DEVICE F block_sum(Cta& cta, F v, F* slots) {
  return block_reduce<kThreads>(cta, v, slots, Plus());
}
template <int kThreads, class Cta, class F>
GT_DEVICE F block_max(Cta& cta, F v, F* slots) {
  return block_reduce<kThreads>(cta, v, slots, Larger());
}

}  // namespace gigatrain::kernels::cuda
