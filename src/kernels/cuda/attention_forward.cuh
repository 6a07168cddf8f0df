// Streaming attention forward on the GPU: kernels/attention.h. A block has 64 queries of one head
// and walks over the keys in tiles of 64 (FlashAttention-2, Algorithm 1):
//
//   S = scale q k;  m' = max(m, max S);  P = exp(S - m');  a = exp(m - m')
//   l = a l + sum P;  O = a O + P V;     at the end  out = O / l,  lse = m + log l
#pragma once

#include "kernels/cuda/attention_mask.cuh"
#include "kernels/cuda/attention_native.h"
#include "kernels/cuda/attention_tile.cuh"

namespace gigatrain::kernels::cuda {

template <class Tile, bool kMasked>
struct AttentionForwardKernel {
  static constexpr int kThreads = Tile::kThreads, kMinBlocks = 1, kOwn = Tile::kOwn;
  using Shared = typename Tile::Shared;
  using Scores = typename Tile::Scores;
  using Sums = typename Tile::Sums;
  AttentionProblem p;
  std::int64_t tiles;  // of queries

  // Of a thread's rows. `sum` is its own columns' share: the 16 threads of a row add up at the end.
  struct Softmax {
    float max[kOwn], sum[kOwn];
    Sums out;
  };

  // scores -> P; what was summed so far moves to the new maximum.
  template <class Cta>
  GT_DEVICE void step(Cta& cta, Scores& scores, std::int64_t head, std::int64_t q0, std::int64_t k0,
                      int keys, Softmax& x) const {
    GT_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const std::int64_t query = q0 + Tile::ty(cta.thread()) * kOwn + i;
      const int seen = kMasked && query >= p.tq ? 0 : keys_seen(p, query, k0, keys);
      float max = x.max[i];
      GT_UNROLL
      for (int j = 0; j < kOwn; ++j) {
        const int key = Tile::tx(cta.thread()) * kOwn + j;
        scores[i][j] = key < seen ? scaled(head, query, k0 + key, scores[i][j]) : -INFINITY;
        max = fmaxf(max, scores[i][j]);
      }
      max = row_max(cta, max);
      const float factor = expf(x.max[i] - max);
      x.max[i] = max;
      x.sum[i] *= factor;
      GT_UNROLL
      for (int j = 0; j < kOwn; ++j) {
        scores[i][j] = expf(scores[i][j] - max);
        x.sum[i] += scores[i][j];
      }
      GT_UNROLL
      for (int j = 0; j < Tile::kOwnColumns; ++j) x.out[i][j] *= factor;
    }
  }
  GT_DEVICE float scaled(std::int64_t head, std::int64_t query, std::int64_t key,
                         float score) const {
    if constexpr (kMasked) return biased_score(p, head / p.h, head % p.h, query, key, score);
    return score * p.scale;
  }
  template <class Cta>
  static GT_DEVICE float row_max(Cta& cta, float v) {
    GT_UNROLL
    for (int mask = Tile::kSide / 2; mask > 0; mask /= 2) v = fmaxf(v, cta.shfl_xor(v, mask));
    return v;
  }
  template <class Cta>
  static GT_DEVICE float row_sum(Cta& cta, float v) {
    GT_UNROLL
    for (int mask = Tile::kSide / 2; mask > 0; mask /= 2) v += cta.shfl_xor(v, mask);
    return v;
  }

  template <class Cta>
  GT_DEVICE void finish(Cta& cta, std::int64_t b, std::int64_t h, std::int64_t q0,
                        Softmax& x) const {
    GT_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const std::int64_t query = q0 + Tile::ty(cta.thread()) * kOwn + i;
      const float sum = row_sum(cta, x.sum[i]);
      const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;  // 0: it saw no key
      GT_UNROLL
      for (int j = 0; j < Tile::kOwnColumns; ++j) x.out[i][j] *= inverse;
      if (p.lse && Tile::tx(cta.thread()) == 0 && cta.block_y() == 0 && query < p.tq)
        p.lse[(b * p.h + h) * p.lse_h_step + query * p.lse_t_step] =
            sum == 0.0f ? INFINITY : x.max[i] + logf(sum);
    }
    Tile::write(cta, x.out, Tile::rows(p.out, b, h, q0, p.tq, p.d));
  }

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t head = cta.block() % (p.b * p.h), b = head / p.h, h = head % p.h;
    const std::int64_t tile = tiles - 1 - cta.block() / (p.b * p.h);  // those with most keys first
    const std::int64_t q0 = tile * Tile::kRows, h_kv = h / (p.h / p.h_kv);
    const HeadRows<typename Tile::T> q = Tile::rows(p.q, b, h, q0, p.tq, p.d);
    Softmax x;
    GT_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      x.max[i] = kLowestScore, x.sum[i] = 0.0f;
      GT_UNROLL
      for (int j = 0; j < Tile::kOwnColumns; ++j) x.out[i][j] = 0.0f;
    }
    for (std::int64_t k0 = 0; k0 < p.tk; k0 += Tile::kRows) {
      const auto k = Tile::rows(p.k, b, h_kv, k0, p.tk, p.d),
                 v = Tile::rows(p.v, b, h_kv, k0, p.tk, p.d);
      if (keys_seen(p, q0 + q.count - 1, k0, k.count) == 0) break;
      if (kMasked && !segments_meet(cta, p, b, q0, q.count, k0, k.count)) continue;
      Scores scores;
      Tile::score(cta, s, q, k, scores);
      step(cta, scores, head, q0, k0, k.count, x);
      Tile::share(cta.thread(), s, scores);
      Tile::accumulate(cta, s, v, x.out);
    }
    finish(cta, b, h, q0, x);
  }
};

template <class Queue>
void launch_attention(Queue& queue, const AttentionProblem& p) {
  with_attention_tile(
      AttentionForward::kName, p, {p.q, p.k, p.v, p.out}, [&](auto tile, auto masked) {
        using Tile = decltype(tile);
        const std::int64_t tiles = blocks_for(p.tq, Tile::kRows);
        queue.launch(AttentionForwardKernel<Tile, decltype(masked)::value>{.p = p, .tiles = tiles},
                     {.x = tiles * p.b * p.h, .y = blocks_for(p.d, Tile::kColumns)});
      });
}

template <class Queue>
void launch(Queue& queue, const AttentionForward& a) {
  const AttentionProblem p = check_attention(a);
  if (p.d == 0 || native_attention(queue, a)) return;
  for (std::int64_t i = 0; i < p.sequences; ++i) launch_attention(queue, sequence_of(p, i));
}

}  // namespace gigatrain::kernels::cuda
