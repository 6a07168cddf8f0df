// Attention backward in the processor's own bf16: one task of attention_backward.isa.cpp, with its
// products in pairs:
//
//   S^T = K Q^T;  dP^T = V dO^T;  dV += P^T dO;  dK += dS^T Q;  dQ^T += K^T dS^T
#pragma once

#include "kernels/cpu/attention_bf16.h"

#if defined(GT_AMX)
GT_ISA_BEGIN
namespace {

template <class Products>
class PairBackward {
 public:
  static constexpr std::int64_t kPairs = kQueries / 2;  // units of a block's queries

  // `queries`: the most a task has, a multiple of kQueries.
  static std::int64_t floats(std::int64_t d, std::int64_t queries) {
    const std::int64_t rows = tile_rows(d), depth = tile_units(d);
    return queries * (2 * depth + 2 * rows) + queries * 2 + kKeys * (2 * depth + 2 * rows) +
           rows * kKeys / 2 + kKeys * (2 * kQueries + 2 * kPairs + kQueries / 2) + 16 * kLanes;
  }
  PairBackward(const AttentionProblem& p, float* memory, std::int64_t queries)
      : p_(p), mask_(mask_of(p)), depth_(tile_units(p.d)), rows_(tile_rows(p.d)) {
    Carve carve{memory};
    q_ = carve.take(queries / 2 * rows_), q_transposed_ = carve.take(queries * depth_);
    dout_ = carve.take(queries / 2 * rows_), dout_transposed_ = carve.take(queries * depth_);
    dq_ = carve.take(queries * rows_), delta_ = carve.take(queries), lse_ = carve.take(queries);
    k_ = carve.take(kKeys * depth_), v_ = carve.take(kKeys * depth_);
    k_transposed_ = carve.take(rows_ * kKeys / 2);
    dk_ = carve.take(kKeys * rows_), dv_ = carve.take(kKeys * rows_);
    scores_ = carve.take(kKeys * kQueries), dscores_ = carve.take(kKeys * kQueries);
    p_left_ = carve.take(kKeys * kPairs), ds_left_ = carve.take(kKeys * kPairs);
    ds_right_ = carve.take(kKeys / 2 * kQueries);
  }

  // Head h of sample b, queries [q0, q0 + queries). write(k0, keys, dk, dv, width) takes what they
  // give to each block of keys, up to key `reach`; dQ goes to its end.
  template <class Write>
  void run(std::int64_t b, std::int64_t h, std::int64_t q0, std::int64_t queries,
           std::int64_t reach, const Write& write) {
    b_ = b, h_ = h, q0_ = q0, queries_ = queries;
    start(queries);
    const std::int64_t h_kv = h / (p_.h / p_.h_kv);
    for (k0_ = 0; k0_ < reach; k0_ += kKeys) {
      keys_ = smaller(kKeys, p_.tk - k0_);
      const bf16 *k = rows_of<bf16>(p_.k, b, h_kv, k0_), *v = rows_of<bf16>(p_.v, b, h_kv, k0_);
      pack_pairs_left(k, p_.k.t_step, keys_, p_.d, k_);
      pack_pairs_left_transposed(k, p_.k.t_step, keys_, p_.d, k_transposed_);
      pack_pairs_left(v, p_.v.t_step, keys_, p_.d, v_);
      clear(dk_, kKeys * rows_), clear(dv_, kKeys * rows_);
      blocks();
      write(k0_, keys_, dk_, dv_, rows_);
    }
    for (std::int64_t at = 0; at < queries; at += kQueries)
      write_transposed<kQueries>(dq_ + at * rows_, smaller(kQueries, queries - at), p_.d, nullptr,
                                 rows_of<bf16>(p_.dq, b, h, q0 + at), p_.dq.t_step);
  }

 private:
  // Queries [at, at + n) of the task, which see `seen` of the packed keys.
  struct Block {
    std::int64_t at, n, seen = 0;
  };

  void start(std::int64_t queries) {
    for (std::int64_t at = 0; at < queries; at += kQueries) {
      const std::int64_t n = smaller(kQueries, queries - at), d = p_.d;
      const bf16 *q = rows_of<bf16>(p_.q, b_, h_, q0_ + at),
                 *dout = rows_of<bf16>(p_.dout, b_, h_, q0_ + at);
      pack_pairs_right(q, p_.q.t_step, n, d, q_ + at / 2 * rows_);
      pack_pairs_right_transposed(q, p_.q.t_step, n, d, q_transposed_ + at * depth_);
      pack_pairs_right(dout, p_.dout.t_step, n, d, dout_ + at / 2 * rows_);
      pack_pairs_right_transposed(dout, p_.dout.t_step, n, d, dout_transposed_ + at * depth_);
      row_sums(at, n);
    }
    clear(dq_, blocks_of(queries, kQueries) * kQueries * rows_);
  }

  // delta and lse; queries that are not there have P = 0.
  void row_sums(std::int64_t at, std::int64_t n) {
    const float* lse = p_.lse + (b_ * p_.h + h_) * p_.lse_h_step + (q0_ + at) * p_.lse_t_step;
    for (std::int64_t i = 0; i < kQueries; ++i) {
      delta_[at + i] = 0.0f, lse_[at + i] = __builtin_inff();
      if (i >= n) continue;
      const bf16 *out = rows_of<bf16>(p_.out, b_, h_, q0_ + at + i),
                 *dout = rows_of<bf16>(p_.dout, b_, h_, q0_ + at + i);
      delta_[at + i] = dot(out, dout, p_.d), lse_[at + i] = lse[i * p_.lse_t_step];
    }
  }

  // All queries with the packed keys.
  void blocks() {
    for (Block block = find(0); block.seen; block = find(block.at + kQueries)) {
      scores(block);
      gradient(block);
      products(block);
    }
  }

  // The first block from `at` on that sees a key; `seen` is 0 if there is none.
  Block find(std::int64_t at) const {
    for (; at < queries_; at += kQueries) {
      const std::int64_t n = smaller(kQueries, queries_ - at), q0 = q0_ + at;
      const std::int64_t seen = mask_.seen(q0 + n - 1, k0_, keys_);
      if (seen > 0 && segments_meet(p_, b_, q0, n, k0_, seen)) return {at, n, seen};
    }
    return {};
  }

  void scores(const Block& b) const {
    const std::int64_t columns = padded_columns(b.n);
    products_.put({k_, depth_, b.seen, q_transposed_ + b.at * depth_, depth_, columns, depth_,
                   scores_, kQueries});
    products_.put({v_, depth_, b.seen, dout_transposed_ + b.at * depth_, depth_, columns, depth_,
                   dscores_, kQueries});
  }
  void products(const Block& b) const {
    const std::int64_t pairs = tile_units(b.n), at = b.at;
    products_.add(
        {p_left_, kPairs, b.seen, dout_ + at / 2 * rows_, pairs, p_.d, pairs, dv_, rows_});
    products_.add({ds_left_, kPairs, b.seen, q_ + at / 2 * rows_, pairs, p_.d, pairs, dk_, rows_});
    products_.add({k_transposed_, tile_units(keys_), p_.d, ds_right_, kKeys / 2,
                   padded_columns(b.n), tile_units(b.seen), dq_ + at * rows_, kQueries});
  }

  void gradient(const Block& b) {
    const std::int64_t q0 = q0_ + b.at;
    if (p_.masked()) scale_and_mask(p_, b_, h_, q0, b.n, k0_, b.seen, scores_);
    const bool whole = mask_.all_seen(q0, k0_ + b.seen) && b.seen % kTileKeys == 0;
    for (std::int64_t j = 0; j < padded_columns(b.n); j += kLanes)
      whole ? gradient<true>(b, j) : gradient<false>(b, j);
  }

  // Sixteen queries from j on: P and dS from scores and dP; rows up to the next tile's border are
  // zeros. Whole: the queries see all of the keys, and these fill tiles.
  template <bool Whole>
  GT_BF16 void gradient(const Block& b, std::int64_t j) {
    const f32x16 scale = splat(p_.scale), of_score = splat(p_.masked() ? 1.0f : p_.scale);
    const f32x16 lse = load(lse_ + b.at + j), delta = load(delta_ + b.at + j);
    const std::int64_t q0 = q0_ + b.at + j, k0 = k0_, seen = b.seen;
    const bool all = mask_.all_seen(q0, k0 + seen);
    for (std::int64_t s = 0; s < 2 * tile_units(seen); s += 2) {
      f32x16 e[2] = {}, ds[2] = {};
      for (int i = 0; i < 2; ++i) {
        if (!Whole && s + i >= seen) continue;
        const std::int64_t at = (s + i) * kQueries + j;
        e[i] = exp(fma(load(scores_ + at), of_score, -lse));
        if (!Whole && !all) e[i] = select(mask_.lanes(q0, k0 + s + i), e[i], f32x16{});
        ds[i] = e[i] * (load(dscores_ + at) - delta) * scale;
      }
      store_bf16(left_at(p_left_, kPairs, s, j), e[0], e[1]);
      const f32x16 units = store_bf16(left_at(ds_left_, kPairs, s, j), ds[0], ds[1]);
      store(right_at(ds_right_, kKeys / 2, s, j), units);
    }
  }

  const Products products_{};
  const AttentionProblem& p_;
  const KeyMask mask_;
  const std::int64_t depth_, rows_;  // units of D, and D as rows
  std::int64_t b_ = 0, h_ = 0, q0_ = 0, queries_ = 0;
  std::int64_t k0_ = 0, keys_ = 0;  // the packed keys
  float *q_, *q_transposed_, *dout_, *dout_transposed_, *dq_, *delta_, *lse_;
  float *k_, *v_, *k_transposed_, *dk_, *dv_, *scores_, *dscores_, *p_left_, *ds_left_, *ds_right_;
};

}  // namespace
GT_ISA_END
#endif
