// How the rows of a normalisation lie on threads: a warp or a whole block shares a row, and where
// it fits each thread keeps its part in registers from the first pass to the last, so that memory
// is read once. Longer rows, and rows that packs do not fit, are read again by every pass, mostly
// from the caches.
#pragma once

#include <bit>
#include <type_traits>

#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

// A pack kept in registers, as whole words: in an array of its elements each of 16 bits would
// take a register of its own.
template <class T, int N>
class HeldPack {
 public:
  GT_DEVICE void load(const T* p) { words_ = load_pack<kWords>(reinterpret_cast<const Word*>(p)); }
  GT_DEVICE void store(T* p) const { store_pack<kWords>(reinterpret_cast<Word*>(p), words_); }
  GT_DEVICE void get(float (&v)[N]) const {
    GT_UNROLL
    for (int i = 0; i < N; ++i) {
      const std::uint32_t word = words_.v[i / kInWord];
      const bool low = sizeof(T) == 2 && i % kInWord == 0;  // its other half is the next element
      if constexpr (std::is_same_v<T, f16>) {
        f16 x;
        x.bits = static_cast<std::uint16_t>(low ? word : word >> 16);
        v[i] = to_float(x);
      } else {
        v[i] = std::bit_cast<float>(low ? word << 16 : sizeof(T) == 2 ? word & 0xffff0000u : word);
      }
    }
  }
  GT_DEVICE void set(const float (&v)[N]) {  // rounds to T
    GT_UNROLL
    for (int w = 0; w < kWords; ++w) {
      if constexpr (sizeof(T) == 4)
        words_.v[w] = std::bit_cast<Word>(v[w]);
      else if constexpr (kInWord == 1)
        words_.v[w] = from_float<T>(v[w]).bits;
      else
        words_.v[w] = from_float<T>(v[2 * w]).bits | Word{from_float<T>(v[2 * w + 1]).bits} << 16;
    }
  }

 private:
  using Word = std::conditional_t<N * sizeof(T) % 4 == 0, std::uint32_t, std::uint16_t>;
  static constexpr int kInWord = sizeof(Word) / sizeof(T), kWords = N / kInWord;
  Pack<Word, kWords> words_;
};

// kLanes threads share a row, in packs of N: pack p of lane l is number p kLanes + l of the row.
// Each thread holds up to kElements elements; 0: nothing is held, and rows may have any length.
template <class T_, int N_, int kLanes_, int kElements_>
struct RowLayout {
  using T = T_;
  static constexpr int N = N_, kLanes = kLanes_, kElements = kElements_;
  static constexpr bool kHeld = kElements > 0;
  static constexpr int kPacks = kHeld ? kElements / N : 1;  // slots for them
  static constexpr int kThreads = kLanes == kWarp ? 128 : kLanes;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kRows = kThreads / kLanes;  // that a block has at a time

  // f(p, c) for each of this thread's packs: its slot and its first column.
  template <class Cta, class F>
  static GT_DEVICE void for_packs(Cta& cta, std::int64_t columns, const F& f) {
    const int first = cta.thread() % kLanes * N;
    if constexpr (kHeld) {
      GT_UNROLL
      for (int p = 0; p < kPacks; ++p) {
        const int c = first + p * kLanes * N;
        if (c < static_cast<int>(columns)) f(p, c);
      }
    } else {
      for (std::int64_t c = first; c < columns; c += kLanes * N) f(0, c);
    }
  }

  // v[k]: summed over the threads of a row, which all get the totals. Two sums in succession need
  // different slots; a third may use the first's again, since the second's barrier lies between.
  template <int K, class Cta>
  static GT_DEVICE void row_sums(Cta& cta, float (&v)[K], float (&slots)[K][kWarps]) {
    GT_UNROLL
    for (int mask = kWarp / 2; mask > 0; mask /= 2) {
      GT_UNROLL
      for (int k = 0; k < K; ++k) v[k] += cta.shfl_xor(v[k], mask);
    }
    if constexpr (kLanes > kWarp) {
      GT_UNROLL
      for (int k = 0; k < K; ++k)
        if (cta.lane() == 0) slots[k][cta.warp()] = v[k];
      cta.sync();
      GT_UNROLL
      for (int k = 0; k < K; ++k) {
        v[k] = slots[k][0];
        GT_UNROLL
        for (int w = 1; w < kWarps; ++w) v[k] += slots[k][w];
      }
    }
  }
};

// f(RowLayout<...>{}) for rows of this length; `packs`: they may be read in packs.
template <class T, class F>
void with_row_layout(std::int64_t columns, bool packs, const F& f) {
  constexpr int N = kPack<T>;
  if (!packs && columns <= 1024) return f(RowLayout<T, 1, kWarp, 0>{});
  if (!packs) return f(RowLayout<T, 1, 256, 0>{});
  if (columns <= 256) return f(RowLayout<T, N, kWarp, 8>{});
  if (columns <= 512) return f(RowLayout<T, N, kWarp, 16>{});
  if (columns <= 768) return f(RowLayout<T, N, kWarp, 24>{});
  if (columns <= 1024) return f(RowLayout<T, N, kWarp, 32>{});
  if (columns <= 2048) return f(RowLayout<T, N, 128, 16>{});
  if (columns <= 4096) return f(RowLayout<T, N, 256, 16>{});
  if (columns <= 8192) return f(RowLayout<T, N, 512, 16>{});
  f(RowLayout<T, N, 256, 0>{});
}

}  // namespace gigatrain::kernels::cuda
