// Attention forward in bf16 on AMX: attention.isa.cpp's walk, with S^T = K Q^T and O^T += V^T P^T
// in tiles.
#pragma once

#include "kernels/cpu/attention_tiles.h"

#if defined(GT_AMX)
GT_ISA_BEGIN
namespace {

class TileForward {
 public:
  static std::int64_t floats(std::int64_t d) {
    return (kTaskQueries + kKeys) * tile_units(d) + tile_rows(d) * (kKeys / 2 + kTaskQueries) +
           kKeys * (kQueries / 2 + kQueries) + 2 * kTaskQueries + kQueries + 9 * kLanes;
  }
  TileForward(const AttentionProblem& p, float* memory)
      : p_(p), mask_(mask_of(p)), depth_(tile_units(p.d)), rows_(tile_rows(p.d)) {
    Carve carve{memory};
    q_ = carve.take(kTaskQueries * depth_), k_ = carve.take(kKeys * depth_);
    v_ = carve.take(rows_ * kKeys / 2), p_pairs_ = carve.take(kKeys / 2 * kQueries);
    scores_ = carve.take(kKeys * kQueries), out_ = carve.take(rows_ * kTaskQueries);
    max_ = carve.take(kTaskQueries), sum_ = carve.take(kTaskQueries);
    factor_ = carve.take(kQueries);
  }

  // Head h of sample b, queries [q0, q0 + queries).
  void run(std::int64_t b, std::int64_t h, std::int64_t q0, std::int64_t queries) {
    const Tiles tiles;
    b_ = b, h_ = h, q0_ = q0;
    const std::int64_t h_kv = h / (p_.h / p_.h_kv), end = mask_.seen(q0 + queries - 1, 0, p_.tk);
    start(queries);
    for (std::int64_t k0 = 0; k0 < end; k0 += kKeys) {
      const std::int64_t keys = smaller(kKeys, p_.tk - k0);
      if (!segments_meet(p_, b, q0, queries, k0, keys)) continue;
      pack_tile_left(rows_of<bf16>(p_.k, b, h_kv, k0), p_.k.t_step, keys, p_.d, k_);
      pack_tile_left_transposed(rows_of<bf16>(p_.v, b, h_kv, k0), p_.v.t_step, keys, p_.d, v_);
      for (std::int64_t at = 0; at < queries; at += kQueries)
        one_block(at, smaller(kQueries, queries - at), k0, keys);
    }
    for (std::int64_t at = 0; at < queries; at += kQueries)
      finish(at, smaller(kQueries, queries - at));
  }

 private:
  void start(std::int64_t queries) {
    for (std::int64_t at = 0; at < queries; at += kQueries)
      pack_tile_right_transposed(rows_of<bf16>(p_.q, b_, h_, q0_ + at), p_.q.t_step,
                                 smaller(kQueries, queries - at), p_.d, q_ + at * depth_);
    clear(out_, rows_ * kTaskQueries);
    for (std::int64_t i = 0; i < kTaskQueries; ++i) max_[i] = kLowestScore, sum_[i] = 0.0f;
  }

  // Queries [at, at + n) of the task with the packed keys [k0, k0 + keys).
  void one_block(std::int64_t at, std::int64_t n, std::int64_t k0, std::int64_t keys) {
    const std::int64_t q0 = q0_ + at, seen = mask_.seen(q0 + n - 1, k0, keys);
    if (seen == 0 || !segments_meet(p_, b_, q0, n, k0, seen)) return;
    const std::int64_t columns = padded_columns(n);
    tile_product(k_, depth_, seen, q_ + at * depth_, depth_, columns, depth_, scores_, kQueries,
                 false);
    if (p_.masked()) scale_and_mask(p_, b_, h_, q0, n, k0, seen, scores_);
    const bool all = mask_.all_seen(q0, k0 + seen);
    for (std::int64_t j = 0; j < columns; j += kLanes) softmax(at, j, k0, seen, all);
    float* out = out_ + rows_ * at;
    rescale(out, columns);
    tile_product(v_, tile_units(keys), p_.d, p_pairs_, kKeys / 2, columns, tile_units(seen), out,
                 kQueries, true);
  }

  // Sixteen queries from q0_ + at + j on: scores become P, in pairs of keys.
  GT_BF16 void softmax(std::int64_t at, std::int64_t j, std::int64_t k0, std::int64_t seen,
                       bool all) {
    const float scale = p_.masked() ? 1.0f : p_.scale;
    float* const scores = scores_ + j;
    const f32x16 old_max = load(max_ + at + j);
    f32x16 new_max = old_max, sum{};
    for (std::int64_t s = 0; s < seen; ++s) {
      f32x16 v = load(scores + s * kQueries) * scale;
      if (!all) v = select(mask_.lanes(q0_ + at + j, k0 + s), v, splat(-__builtin_inff()));
      store(scores + s * kQueries, v);
      new_max = max(v, new_max);
    }
    for (std::int64_t s = 0; s < 2 * tile_units(seen); s += 2) {
      f32x16 e[2] = {};
      for (int i = 0; i < 2; ++i) {
        if (s + i >= seen) continue;
        e[i] = exp(load(scores + (s + i) * kQueries) - new_max);
        sum += e[i];
      }
      store(right_at(p_pairs_, kKeys / 2, s, j), pair_of(e[0], e[1]));
    }
    const f32x16 factor = exp(old_max - new_max);
    store(factor_ + j, factor);
    store(max_ + at + j, new_max);
    store(sum_ + at + j, fma(load(sum_ + at + j), factor, sum));
  }

  void rescale(float* out, std::int64_t columns) const {
    for (std::int64_t j = 0; j < columns; j += kLanes) {
      const f32x16 factor = load(factor_ + j);
      for (std::int64_t i = 0; i < p_.d; ++i)
        store(out + i * kQueries + j, load(out + i * kQueries + j) * factor);
    }
  }

  void finish(std::int64_t at, std::int64_t n) {
    float* lse = p_.lse + (b_ * p_.h + h_) * p_.lse_h_step + (q0_ + at) * p_.lse_t_step;
    for (std::int64_t i = 0; i < n; i += kLanes) {
      const f32x16 sum = load(sum_ + at + i), top = load(max_ + at + i);
      const i32x16 none = equal(sum, f32x16{});  // it saw no key
      store(factor_ + i, select(none, f32x16{}, 1.0f / sum));
      store(sum_ + at + i, select(none, splat(__builtin_inff()), top + log(sum)));
    }
    for (std::int64_t i = 0; p_.lse && i < n; ++i) lse[i * p_.lse_t_step] = sum_[at + i];
    write_transposed(out_ + rows_ * at, n, p_.d, factor_, rows_of<bf16>(p_.out, b_, h_, q0_ + at),
                     p_.out.t_step);
  }

  const AttentionProblem& p_;
  const KeyMask mask_;
  const std::int64_t depth_, rows_;  // units of D, and D as rows
  std::int64_t b_ = 0, h_ = 0, q0_ = 0;
  float *q_, *k_, *v_, *p_pairs_, *scores_, *out_, *max_, *sum_, *factor_;
};

}  // namespace
GT_ISA_END
#endif
