// Attention forward in the processor's own bf16: attention.isa.cpp's walk, with S^T = K Q^T and
// O^T += V^T P^T in pairs, by blocks of 32 queries, whose scores stay in the first cache.
#pragma once

#include "kernels/cpu/attention_bf16.h"

#if defined(GT_AMX)
GT_ISA_BEGIN
namespace {

template <class Products>
class PairForward {
 public:
  // `queries`: the most a task has, a multiple of kTileQueries.
  static std::int64_t floats(std::int64_t d, std::int64_t queries) {
    return (queries + kSpan) * tile_units(d) + tile_rows(d) * (kSpan / 2 + queries) +
           kKeys * kGroup + 2 * queries + kTileQueries + 8 * kLanes;
  }
  PairForward(const AttentionProblem& p, float* memory, std::int64_t queries)
      : p_(p), mask_(mask_of(p)), depth_(tile_units(p.d)), rows_(tile_rows(p.d)) {
    Carve carve{memory};
    q_ = carve.take(queries * depth_), k_ = carve.take(kSpan * depth_);
    v_ = carve.take(rows_ * kSpan / 2), scores_ = carve.take(kKeys * kGroup);
    out_ = carve.take(rows_ * queries);
    max_ = carve.take(queries), sum_ = carve.take(queries);
    factor_ = carve.take(kTileQueries);
  }

  // Head h of sample b, queries [q0, q0 + queries).
  void run(std::int64_t b, std::int64_t h, std::int64_t q0, std::int64_t queries) {
    b_ = b, h_ = h, q0_ = q0, queries_ = queries;
    start();
    const std::int64_t end = mask_.seen(q0 + queries - 1, 0, p_.tk);
    for (span_ = 0; span_ < end; span_ += kSpan) {
      pack_keys(smaller(end, span_ + kSpan));
      for (std::int64_t at = 0; at < queries; at += kGroup)
        one_group(at, smaller(queries, at + kGroup));
    }
    for (std::int64_t at = 0; at < queries; at += kTileQueries) finish(at, length(at));
  }

 private:
  static constexpr std::int64_t kSpan = 8 * kKeys;  // keys that are packed at a time
  static constexpr std::int64_t kGroup = 64;        // queries between turns
  // Queries [at, at + n) of the task, which see `seen` of the keys from k0 on.
  struct Block {
    std::int64_t at, n, k0, seen = 0;
    float* scores;
  };

  std::int64_t length(std::int64_t at) const { return smaller(kTileQueries, queries_ - at); }

  void start() {
    const std::int64_t all = blocks_of(queries_, kTileQueries) * kTileQueries;
    for (std::int64_t at = 0; at < all; at += kTileQueries)
      pack_pairs_right_transposed(rows_of<bf16>(p_.q, b_, h_, q0_ + at), p_.q.t_step, length(at),
                                  p_.d, q_ + at * depth_);
    clear(out_, rows_ * all);
    for (std::int64_t i = 0; i < all; ++i) max_[i] = kLowestScore, sum_[i] = 0.0f;
  }

  // Keys [span_, end), of which some query sees some.
  void pack_keys(std::int64_t end) {
    const std::int64_t h_kv = h_ / (p_.h / p_.h_kv);
    for (std::int64_t k0 = span_; k0 < end; k0 += kKeys) {
      const std::int64_t keys = smaller(kKeys, p_.tk - k0);
      if (!segments_meet(p_, b_, q0_, queries_, k0, keys)) continue;
      pack_pairs_left(rows_of<bf16>(p_.k, b_, h_kv, k0), p_.k.t_step, keys, p_.d, k_at(k0));
      pack_pairs_left_transposed(rows_of<bf16>(p_.v, b_, h_kv, k0), p_.v.t_step, keys, p_.d,
                                 v_at(k0));
    }
  }
  float* k_at(std::int64_t k0) const { return k_ + (k0 - span_) * depth_; }
  float* v_at(std::int64_t k0) const { return v_ + (k0 - span_) / 2 * rows_; }

  // How many of keys [k0, k0 + keys) queries [at, at + n) of the task see.
  std::int64_t seen(std::int64_t at, std::int64_t n, std::int64_t k0, std::int64_t keys) const {
    const std::int64_t seen = mask_.seen(q0_ + at + n - 1, k0, keys);
    return seen > 0 && segments_meet(p_, b_, q0_ + at, n, k0, seen) ? seen : 0;
  }

  // Queries [begin, end) of the task with the packed keys. Products and softmax take turns, long
  // ones: tiles that rested take 300 ns to wake up, and when they are done vector code runs at
  // half its rate for 130 ns (Xeon of docs/benchmarks.md). One between the other does not pay.
  void one_group(std::int64_t begin, std::int64_t end) {
    const std::int64_t last = smaller(p_.tk, span_ + kSpan);
    Block blocks[kGroup / kTileQueries] = {};
    for (std::int64_t k0 = span_; k0 < last; k0 += kKeys) {
      for (Block& block : blocks) add_values(block);
      float* scores = scores_;
      std::int64_t at = begin;
      for (Block& block : blocks) {
        const std::int64_t n = smaller(kTileQueries, end - at);
        block = {at, n, k0, n > 0 ? seen(at, n, k0, smaller(kKeys, p_.tk - k0)) : 0, scores};
        if (block.seen)
          products_.put({k_at(k0), depth_, block.seen, q_ + at * depth_, depth_, kTileQueries,
                         depth_, scores, kTileQueries});
        at += kTileQueries, scores += kKeys * kTileQueries;
      }
      for (const Block& block : blocks) softmax(block);
    }
    for (const Block& block : blocks) add_values(block);
  }
  void add_values(const Block& block) {
    if (block.seen == 0) return;
    const std::int64_t keys = smaller(kKeys, p_.tk - block.k0);
    products_.add({v_at(block.k0), tile_units(keys), p_.d, block.scores, 0, kTileQueries,
                   tile_units(block.seen), out_ + rows_ * block.at, kTileQueries,
                   2 * kTileQueries});
  }

  // Scores become P, in pairs of keys: a pair where the first of its scores stood.
  void softmax(const Block& block) {
    if (block.seen == 0) return;
    const std::int64_t q0 = q0_ + block.at;
    if (p_.masked())
      scale_and_mask<kTileQueries>(p_, b_, h_, q0, block.n, block.k0, block.seen, block.scores);
    const bool whole = mask_.all_seen(q0, block.k0 + block.seen) && block.seen % kTileKeys == 0;
    for (std::int64_t j = 0; j < kTileQueries; j += kLanes)
      whole ? softmax<true>(block, j) : softmax<false>(block, j);
  }

  // Sixteen queries, from j on. Whole: they see all of the keys, and these fill tiles.
  template <bool Whole>
  GT_BF16 void softmax(const Block& block, std::int64_t j) {
    const std::int64_t at = block.at + j, seen = block.seen, k0 = block.k0;
    KeyMask mask = mask_;
    if (mask_.all_seen(q0_ + at, k0 + seen)) mask.offset = p_.tk;
    float* const scores = block.scores + j;
    const f32x16 scale = splat(p_.masked() ? 1.0f : p_.scale);
    const auto score = [&](std::int64_t s) GT_BODY {
      const f32x16 v = load(scores + s * kTileQueries) * scale;
      return Whole ? v : select(mask.lanes(q0_ + at, k0 + s), v, splat(-__builtin_inff()));
    };
    const f32x16 old_max = load(max_ + at);
    f32x16 new_max = old_max, other = old_max, sum{};
    std::int64_t s = 0;
    for (; s + 1 < seen; s += 2) new_max = max(score(s), new_max), other = max(score(s + 1), other);
    if (s < seen) new_max = max(score(s), new_max);
    new_max = max(other, new_max);
    const f32x16 factor = exp(old_max - new_max);
    rescale(out_ + rows_ * block.at + j, factor);
    for (s = 0; s < 2 * tile_units(seen); s += 2) {
      f32x16 e[2] = {};
      for (int i = 0; i < 2; ++i) {
        if (!Whole && s + i >= seen) continue;
        e[i] = exp(score(s + i) - new_max);
        sum += e[i];
      }
      store(scores + s * kTileQueries, pair_of(e[0], e[1]));
    }
    store(max_ + at, new_max);
    store(sum_ + at, fma(load(sum_ + at), factor, sum));
  }

  void rescale(float* out, f32x16 factor) const {
    for (std::int64_t i = 0; i < p_.d; ++i)
      store(out + i * kTileQueries, load(out + i * kTileQueries) * factor);
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
    write_transposed<kTileQueries>(out_ + rows_ * at, n, p_.d, factor_,
                                   rows_of<bf16>(p_.out, b_, h_, q0_ + at), p_.out.t_step);
  }

  const Products products_{};
  const AttentionProblem& p_;
  const KeyMask mask_;
  const std::int64_t depth_, rows_;  // units of D, and D as rows
  std::int64_t b_ = 0, h_ = 0, q0_ = 0, queries_ = 0;
  std::int64_t span_ = 0;  // the first of the packed keys
  float *q_, *k_, *v_, *scores_, *out_, *max_, *sum_, *factor_;
};

}  // namespace
GT_ISA_END
#endif
