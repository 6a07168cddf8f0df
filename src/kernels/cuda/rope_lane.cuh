// What the rope kernels share: how a head lies on threads, and the angles of a position.
#pragma once

#include <bit>
#include <initializer_list>

#include "kernels/cuda/norm_rows.cuh"
#include "kernels/rope.h"

namespace gigatrain::kernels::cuda {

// Sine and cosine of p / 2^32 turns, with the bits of the CPU's (vec_math.h).
GT_DEVICE void sincos_fraction(std::uint32_t p, float& sine, float& cosine) {
  const std::uint32_t q = (p + 0x20000000u) >> 30;
  const float r = static_cast<float>(static_cast<std::int32_t>(p - (q << 30))) * 0x1p-30f;
  const float z = r * r;
  float s = fmaf(-0x1.2d9baap-8f, z, 0x1.465ec6p-4f);
  s = r * fmaf(fmaf(s, z, -0x1.4abbbap-1f), z, 0x1.921fb6p+0f);
  float c = fmaf(0x1.d9c364p-11f, z, -0x1.55c57cp-6f);
  c = fmaf(fmaf(fmaf(c, z, 0x1.03c1dcp-2f), z, -0x1.3bd3ccp+0f), z, 1.0f);
  sine = q % 2 ? c : s;
  cosine = q % 2 ? s : c;
  if (q & 2) sine = -sine;
  if ((q + 1) & 2) cosine = -cosine;
}

// (B, T, heads, D) views of activations.
template <class T>
struct RopeHeads {
  T* data = nullptr;
  std::int64_t batch = 0, position = 0, head = 0;  // strides

  explicit RopeHeads(const TensorView& v)
      : data(v.as<T>()), batch(v.strides[0]), position(v.strides[1]), head(v.strides[2]) {}
  // Of row b T + t.
  GT_DEVICE T* at(std::int64_t row, std::int64_t length) const {
    const std::int64_t b = row / length;
    return data + b * batch + (row - b * length) * position;
  }
};

// A head of D elements on `lanes` threads, a power of two: 16 elements each, as pairs of packs of
// N. Where elements i and i + pairs turn together, so do the packs at i and i + pairs; else a pair
// of packs is 2 N elements that lie side by side.
struct RopeLanes {
  int lanes, columns, pairs;
  bool interleaved;

  RopeLanes(std::int64_t head_dim, const RopeAngles& a)
      : lanes(static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(head_dim + 15) / 16))),
        columns(static_cast<int>(head_dim)),
        pairs(static_cast<int>(a.pairs)),
        interleaved(a.interleaved) {}

  static constexpr int kThreads = 128;           // of a block
  int rows() const { return kThreads / lanes; }  // that a block has at a time
};

// One thread's part of a head.
template <class T, int N>
struct RopeLane {
  static constexpr int kSlots = 8 / N;
  using Packs = HeldPack<T, N>[kSlots][2];
  using Values = float[kSlots][2][N];
  RopeLanes head;
  int lane;

  GT_DEVICE int pack(int slot) const { return lane + slot * head.lanes; }
  GT_DEVICE bool holds(int slot) const { return pack(slot) * 2 * N < head.columns; }
  GT_DEVICE bool turns(int slot) const { return pack(slot) * N < head.pairs; }
  GT_DEVICE int column(int slot, int which) const {
    if (turns(slot) && !head.interleaved) return pack(slot) * N + which * head.pairs;
    return (2 * pack(slot) + which) * N;
  }
  // f(slot, which, column) for each pack that this thread holds.
  template <class F>
  GT_DEVICE void for_packs(const F& f) const {
    GT_UNROLL
    for (int slot = 0; slot < kSlots; ++slot) {
      if (!holds(slot)) continue;
      f(slot, 0, column(slot, 0));
      f(slot, 1, column(slot, 1));
    }
  }
  GT_DEVICE void load(const T* p, Packs& x) const {
    for_packs([&](int slot, int which, int c) { x[slot][which].load(p + c); });
  }
  GT_DEVICE void load(const float* p, Values& v) const {
    for_packs([&](int slot, int which, int c) { load_wide<N>(p + c, v[slot][which]); });
  }
  GT_DEVICE void store(T* p, const Values& v) const {
    for_packs([&](int slot, int which, int c) { store_wide<N>(p + c, v[slot][which]); });
  }
  GT_DEVICE void get(const Packs& x, Values& v) const {
    for_packs([&](int slot, int which, int) { x[slot][which].get(v[slot][which]); });
  }

  // Over the threads of a head; every lane of the warp takes part.
  template <class Cta>
  GT_DEVICE float sum(Cta& cta, float v) const {
    for (int mask = head.lanes / 2; mask > 0; mask /= 2) v += cta.shfl_xor(v, mask);
    return v;
  }
  template <class Cta>
  GT_DEVICE float rstd(Cta& cta, const Values& v, float eps) const {
    float squares = 0.0f;
    for_packs([&](int slot, int which, int) {
      GT_UNROLL
      for (int i = 0; i < N; ++i) squares = fmaf(v[slot][which][i], v[slot][which][i], squares);
    });
    return 1.0f / sqrtf(sum(cta, squares) / static_cast<float>(head.columns) + eps);
  }
};

// A position's sines and cosines of the pairs that a thread turns.
template <class T, int N>
struct RopeTurn {
  using Lane = RopeLane<T, N>;
  float sine[Lane::kSlots][N], cosine[Lane::kSlots][N];

  // turns: in shared memory.
  GT_DEVICE RopeTurn(const Lane& lane, const std::uint64_t* turns, std::int64_t position,
                     float sine_scale, float cosine_scale) {
    GT_UNROLL
    for (int slot = 0; slot < Lane::kSlots; ++slot) {
      if (!lane.turns(slot)) continue;
      GT_UNROLL
      for (int i = 0; i < N; ++i) {
        const std::uint64_t turn =
            static_cast<std::uint64_t>(position) * turns[lane.pack(slot) * N + i];
        sincos_fraction(static_cast<std::uint32_t>(turn >> 32), sine[slot][i], cosine[slot][i]);
        sine[slot][i] *= sine_scale;
        cosine[slot][i] *= cosine_scale;
      }
    }
  }

  GT_DEVICE void apply(const Lane& lane, typename Lane::Values& v) const {
    GT_UNROLL
    for (int slot = 0; slot < Lane::kSlots; ++slot) {
      if (!lane.turns(slot)) continue;
      if (N > 1 && lane.head.interleaved) {
        GT_UNROLL
        for (int which = 0; which < 2; ++which) {
          GT_UNROLL
          for (int i = 0; i + 1 < N; i += 2) {
            const int pair = (which * N + i) / 2;
            turn(slot, pair, v[slot][which][i], v[slot][which][i + 1]);
          }
        }
      } else {
        GT_UNROLL
        for (int i = 0; i < N; ++i) turn(slot, i, v[slot][0][i], v[slot][1][i]);
      }
    }
  }

 private:
  GT_DEVICE void turn(int slot, int i, float& a, float& b) const {
    const float s = sine[slot][i], c = cosine[slot][i], x = a;
    a = fmaf(b, -s, x * c);
    b = fmaf(x, s, b * c);
  }
};

// The positions of a (B, T, heads, D) tensor and their angles.
struct RopePositions {
  std::uint64_t turns[kMaxHeadDim / 2];
  const std::int32_t* given;  // or null
  std::int64_t first, rows, length;
  int pairs;
  float scale;

  RopePositions(const RopeAngles& a, const Shape& shape)
      : given(a.positions.as<std::int32_t>()),
        first(a.first_position),
        rows(shape[0] * shape[1]),
        length(shape[1]),
        pairs(static_cast<int>(a.pairs)),
        scale(a.scale) {
    for (int i = 0; i < kMaxHeadDim / 2; ++i) turns[i] = a.turns[i];
  }

  // Into shared memory, where each thread may take its own.
  template <class Cta>
  GT_DEVICE void share(Cta& cta, std::uint64_t* shared) const {
    for (int i = cta.thread(); i < pairs; i += RopeLanes::kThreads) shared[i] = turns[i];
    cta.sync();
  }
  GT_DEVICE std::int64_t at(std::int64_t row) const {
    return given ? given[row] : first + row % length;
  }
};

// May heads be read in packs, pairs of packs turn together, and all of D be held by them?
template <class T>
bool rope_packs_fit(const RopeAngles& a, std::initializer_list<const TensorView*> heads,
                    std::initializer_list<const TensorView*> weights) {
  constexpr int N = kPack<T>;
  if (a.pairs % N != 0) return false;
  for (const TensorView* v : heads) {
    if (!*v) continue;
    if (v->shape[3] % (2 * N) != 0 || !packs_fit<T>(0, {v->data})) return false;
    for (std::size_t d = 0; d < 3; ++d)
      if (v->strides[d] % N != 0) return false;
  }
  for (const TensorView* w : weights)
    if (!packs_fit<float>(0, {w->data})) return false;
  return true;
}

// How a kernel's blocks share the heads: in chunks of one kind each.
struct HeadChunks {
  std::int64_t heads[3];  // queries, keys, others
  std::int64_t each;      // heads of a chunk
  struct Chunk {
    int kind;
    std::int64_t first, count, index;  // heads; index: of the chunk in its kind
  };

  GT_HOST_DEVICE std::int64_t chunks(int kind) const { return (heads[kind] + each - 1) / each; }
  GT_DEVICE Chunk at(std::int64_t chunk) const {
    Chunk c{.kind = 0, .first = 0, .count = 0, .index = chunk};
    while (c.kind < 2 && c.index >= chunks(c.kind)) {
      c.index -= chunks(c.kind);
      c.first += heads[c.kind++];
    }
    c.first += c.index * each;
    const std::int64_t left = heads[c.kind] - c.index * each;
    c.count = left < each ? left : each;
    return c;
  }
  std::int64_t count() const { return chunks(0) + chunks(1) + chunks(2); }
};

}  // namespace gigatrain::kernels::cuda
