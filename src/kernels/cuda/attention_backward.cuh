// Streaming attention backward on the GPU: kernels/attention.h. P is computed again from lse; with
// delta[t] = sum_d dout[t] out[t] (FlashAttention-2, Algorithm 2):
//
//   dV = P^T dout;  dP = dout V^T;  dS = scale P (dP - delta);  dQ = dS K;  dK = dS^T Q
//
// Three kernels, so that each sum stands in one block's registers and has a fixed order: delta; dQ,
// a block for 64 queries, over the keys; dK and dV, a block for 64 keys, over the queries of all
// the heads that read them.
#pragma once

#include "kernels/cuda/attention_mask.cuh"
#include "kernels/cuda/attention_native.h"
#include "kernels/cuda/attention_tile.cuh"

namespace gigatrain::kernels::cuda {

// delta (B, H, Tq); a warp a row. Where `lse` is given, it takes a copy of lse in that order too.
template <class T, int N>
struct AttentionDeltaKernel {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / kWarp;
  struct Shared {};
  AttentionProblem p;
  float *delta, *lse;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    // Heads are innermost, as they mostly lie in memory.
    const std::int64_t row = cta.block() * kWarps + cta.warp();
    if (row >= p.b * p.tq * p.h) return;
    const std::int64_t h = row % p.h, t = row / p.h % p.tq, b = row / p.h / p.tq;
    const T* out = static_cast<const T*>(p.out.data) + at(p.out, b, h, t);
    const T* dout = static_cast<const T*>(p.dout.data) + at(p.dout, b, h, t);
    float sum = 0.0f;
    for (std::int64_t d = cta.lane() * N; d < p.d; d += kWarp * N) {
      float x[N], y[N];
      load_wide<N>(out + d, x);
      load_wide<N>(dout + d, y);
      GT_UNROLL
      for (int n = 0; n < N; ++n) sum = fmaf(x[n], y[n], sum);
    }
    sum = warp_sum(cta, sum);
    if (cta.lane() != 0) return;
    const std::int64_t head = b * p.h + h;
    delta[head * p.tq + t] = sum;
    if (lse) lse[head * p.tq + t] = p.lse[head * p.lse_h_step + t * p.lse_t_step];
  }
  static GT_DEVICE std::int64_t at(const Heads& x, std::int64_t b, std::int64_t h, std::int64_t t) {
    return b * x.b_step + h * x.h_step + t * x.t_step;
  }
};

// P of a score: exp(scale score + mask - lse); lse is +inf where the query sees no key.
template <bool kMasked>
GT_DEVICE float probability(const AttentionProblem& p, std::int64_t head, std::int64_t query,
                            std::int64_t key, float score, float lse) {
  if constexpr (kMasked)
    return expf(biased_score(p, head / p.h, head % p.h, query, key, score) - lse);
  return expf(fmaf(score, p.scale, -lse));
}

template <class Tile, bool kMasked>
struct AttentionQueryGradientKernel {
  static constexpr int kThreads = Tile::kThreads, kMinBlocks = 1, kOwn = Tile::kOwn;
  using Shared = typename Tile::Shared;
  using Scores = typename Tile::Scores;
  AttentionProblem p;
  const float* delta;
  std::int64_t tiles;  // of queries

  // scores (rows: queries) and dP -> dS.
  GT_DEVICE void step(int thread, std::int64_t head, std::int64_t q0, std::int64_t k0, int keys,
                      Scores& scores, const Scores& dp) const {
    const std::int64_t row = head * p.tq;
    GT_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const std::int64_t query = q0 + Tile::ty(thread) * kOwn + i;
      const int seen = query < p.tq ? keys_seen(p, query, k0, keys) : 0;
      const float lse = query < p.tq ? p.lse[row + query] : 0.0f;
      const float sum = query < p.tq ? delta[row + query] : 0.0f;
      GT_UNROLL
      for (int j = 0; j < kOwn; ++j) {
        const int key = Tile::tx(thread) * kOwn + j;
        if (kMasked && key >= seen) {  // there is no mask to read
          scores[i][j] = 0.0f;
          continue;
        }
        const float e = probability<kMasked>(p, head, query, k0 + key, scores[i][j], lse);
        scores[i][j] = key < seen ? e * (dp[i][j] - sum) * p.scale : 0.0f;
      }
    }
  }

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t head = cta.block() % (p.b * p.h), b = head / p.h, h = head % p.h;
    const std::int64_t tile = tiles - 1 - cta.block() / (p.b * p.h);  // those with most keys first
    const std::int64_t q0 = tile * Tile::kRows, h_kv = h / (p.h / p.h_kv);
    const auto q = Tile::rows(p.q, b, h, q0, p.tq, p.d),
               dout = Tile::rows(p.dout, b, h, q0, p.tq, p.d);
    typename Tile::Sums dq = {};
    for (std::int64_t k0 = 0; k0 < p.tk; k0 += Tile::kRows) {
      const auto k = Tile::rows(p.k, b, h_kv, k0, p.tk, p.d),
                 v = Tile::rows(p.v, b, h_kv, k0, p.tk, p.d);
      if (keys_seen(p, q0 + q.count - 1, k0, k.count) == 0) break;
      if (kMasked && !segments_meet(cta, p, b, q0, q.count, k0, k.count)) continue;
      Scores scores, dp;
      Tile::score(cta, s, q, k, scores);
      Tile::score(cta, s, dout, v, dp);
      step(cta.thread(), head, q0, k0, k.count, scores, dp);
      Tile::share(cta.thread(), s, scores);
      Tile::accumulate(cta, s, k, dq);
    }
    Tile::write(cta, dq, Tile::rows(p.dq, b, h, q0, p.tq, p.d));
  }
};

template <class Tile, bool kMasked>
struct AttentionKeyGradientKernel {
  static constexpr int kThreads = Tile::kThreads, kMinBlocks = 1, kOwn = Tile::kOwn;
  using Shared = typename Tile::Shared;
  using Scores = typename Tile::Scores;
  using Sums = typename Tile::Sums;
  AttentionProblem p;
  const float* delta;

  // scores (rows: keys, columns: queries) -> P, and dP -> dS.
  GT_DEVICE void step(int thread, std::int64_t head, std::int64_t q0, std::int64_t k0, int keys,
                      Scores& scores, Scores& dp) const {
    const std::int64_t row = head * p.tq;
    GT_UNROLL
    for (int j = 0; j < kOwn; ++j) {
      const std::int64_t query = q0 + Tile::tx(thread) * kOwn + j;
      const int seen = query < p.tq ? keys_seen(p, query, k0, kMasked ? keys : Tile::kRows) : 0;
      const float lse = query < p.tq ? p.lse[row + query] : 0.0f;
      const float sum = query < p.tq ? delta[row + query] : 0.0f;
      GT_UNROLL
      for (int i = 0; i < kOwn; ++i) {
        const int key = Tile::ty(thread) * kOwn + i;
        if (kMasked && key >= seen) {
          scores[i][j] = dp[i][j] = 0.0f;
          continue;
        }
        const float e = probability<kMasked>(p, head, query, k0 + key, scores[i][j], lse);
        scores[i][j] = key < seen ? e : 0.0f;
        dp[i][j] = scores[i][j] * (dp[i][j] - sum) * p.scale;
      }
    }
  }

  template <class Cta>
  GT_DEVICE void add_head(Cta& cta, Shared& s, std::int64_t b, std::int64_t h, std::int64_t k0,
                          Sums& dk, Sums& dv) const {
    const std::int64_t h_kv = h / (p.h / p.h_kv);
    const auto k = Tile::rows(p.k, b, h_kv, k0, p.tk, p.d),
               v = Tile::rows(p.v, b, h_kv, k0, p.tk, p.d);
    for (std::int64_t q0 = 0; q0 < p.tq; q0 += Tile::kRows) {
      const auto q = Tile::rows(p.q, b, h, q0, p.tq, p.d),
                 dout = Tile::rows(p.dout, b, h, q0, p.tq, p.d);
      if (keys_seen(p, q0 + q.count - 1, k0, k.count) == 0) continue;
      if (kMasked && !segments_meet(cta, p, b, q0, q.count, k0, k.count)) continue;
      Scores scores, dp;
      Tile::score(cta, s, k, q, scores);
      Tile::score(cta, s, v, dout, dp);
      step(cta.thread(), b * p.h + h, q0, k0, k.count, scores, dp);
      Tile::share(cta.thread(), s, scores);
      Tile::accumulate(cta, s, dout, dv);
      cta.sync();  // all have read P
      Tile::share(cta.thread(), s, dp);
      Tile::accumulate(cta, s, q, dk);
    }
  }

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t head = cta.block() % (p.b * p.h_kv), b = head / p.h_kv, h_kv = head % p.h_kv;
    const std::int64_t k0 = cta.block() / (p.b * p.h_kv) * Tile::kRows;  // seen by most come first
    const std::int64_t group = p.h / p.h_kv;
    Sums dk = {}, dv = {};
    for (std::int64_t h = h_kv * group; h < (h_kv + 1) * group; ++h)
      add_head(cta, s, b, h, k0, dk, dv);
    Tile::write(cta, dk, Tile::rows(p.dk, b, h_kv, k0, p.tk, p.d));
    Tile::write(cta, dv, Tile::rows(p.dv, b, h_kv, k0, p.tk, p.d));
  }
};

template <class Queue>
void launch_attention_delta(Queue& queue, const AttentionProblem& p, float* delta, float* lse) {
  with_activation_type(AttentionBackward::kName, p.dtype, [&](auto type) {
    using T = decltype(type);
    with_width<T>(heads_fit<T>(p.d, {p.out, p.dout}), [&](auto width) {
      using Kernel = AttentionDeltaKernel<T, decltype(width)::value>;
      queue.launch(Kernel{.p = p, .delta = delta, .lse = lse},
                   {.x = blocks_for(p.b * p.tq * p.h, Kernel::kWarps)});
    });
  });
}

// One length for all sequences of the problem.
template <class Queue>
void launch_attention_backward(Queue& queue, AttentionProblem p) {
  const bool apart = p.lse_t_step != 1;  // the kernels want a head's lse in one piece
  const std::int64_t rows = p.b * p.h * p.tq;
  const Storage scratch = queue.scratch((apart ? 2 : 1) * rows * 4, "attention_backward.delta");
  auto* delta = static_cast<float*>(scratch.data());
  float* lse = apart ? delta + rows : nullptr;
  launch_attention_delta(queue, p, delta, lse);
  if (apart) p.lse = lse;
  const auto views = {p.q, p.k, p.v, p.dout, p.dq, p.dk, p.dv};
  with_attention_tile(AttentionBackward::kName, p, views, [&](auto tile, auto masked) {
    using Tile = decltype(tile);
    constexpr bool kMasked = decltype(masked)::value;
    const std::int64_t q_tiles = blocks_for(p.tq, Tile::kRows);
    const std::int64_t k_tiles = blocks_for(p.tk, Tile::kRows);
    const std::int64_t columns = blocks_for(p.d, Tile::kColumns);
    queue.launch(
        AttentionQueryGradientKernel<Tile, kMasked>{.p = p, .delta = delta, .tiles = q_tiles},
        {.x = q_tiles * p.b * p.h, .y = columns});
    queue.launch(AttentionKeyGradientKernel<Tile, kMasked>{.p = p, .delta = delta},
                 {.x = k_tiles * p.b * p.h_kv, .y = columns});
  });
}

template <class Queue>
void launch(Queue& queue, const AttentionBackward& a) {
  const AttentionProblem p = check_attention(a);
  if (p.d == 0 || native_attention(queue, a)) return;
  for (std::int64_t i = 0; i < p.sequences; ++i)
    launch_attention_backward(queue, sequence_of(p, i));
}

}  // namespace gigatrain::kernels::cuda
