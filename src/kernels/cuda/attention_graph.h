// Attention as cuDNN's graph of one operation, for cudnn_attention.cpp, which has included cuDNN's
// front end before this.
//
// Sequences of different lengths ("ragged" tensors): every tensor has a table of where each
// sequence starts, in elements, and the sequences' lengths are a mask. lse then is (rows, heads),
// the layout for which cuDNN has a ragged statistic.
#pragma once

#include <fmt/format.h>

#include <array>
#include <bit>
#include <map>
#include <memory>
#include <string>

#include "kernels/cuda/attention_slices.h"

namespace gigatrain::kernels::cuda {

namespace fe = cudnn_frontend;

// Of tensors, in the graph and in the pack of pointers; of views in the order of Key::steps.
enum Uid : std::int64_t { kQ = 1, kK, kV, kOut, kDout, kDq, kDk, kDv, kLse };
// And of the tables: a tensor's offsets are kOffsets + its own.
inline constexpr std::int64_t kLengthsQ = 50, kLengthsK = 51, kOffsets = 100;

// One call's problem: `batch` sequences.
struct AttentionKey {
  bool backward = false, causal = false, lse = false, f16 = false;
  std::int64_t batch = 0, h = 0, h_kv = 0, tq = 0, tk = 0, d = 0;
  std::int64_t rows = 0;    // of all sequences, of different lengths; or 0
  std::uint32_t scale = 0;  // bits
  std::array<std::array<std::int64_t, 3>, 8> steps{};  // b, h, t of q, k, v, out, dout, ...

  auto operator<=>(const AttentionKey&) const = default;
  std::int64_t t_step(Uid uid) const { return uid == kLse ? h : steps[uid - kQ][2]; }
  // The tensor whose offsets serve this one: a gradient has its tensor's where they agree.
  Uid offsets_of(Uid uid) const {
    const Uid of = uid == kDout ? kOut : uid >= kDq && uid <= kDv ? Uid(uid - kDq + kQ) : uid;
    return t_step(of) == t_step(uid) ? of : uid;
  }
  std::string text() const {
    const std::string lengths = rows ? fmt::format("sequences in {} rows ", rows) : "";
    return fmt::format("attention {} {}{}{}{}batch {} heads {}/{} queries {} keys {} dim {}",
                       backward ? "backward" : "forward", f16 ? "f16 " : "",
                       causal ? "causal " : "", lse ? "lse " : "", lengths, batch, h, h_kv, tq, tk,
                       d);
  }
};

// Steps (b, h, t) of a view, with those of a packed one where a size of 1 lets a view claim any.
inline std::array<std::int64_t, 3> steps_of(const Heads& x, std::int64_t batch, std::int64_t heads,
                                            std::int64_t t, std::int64_t d) {
  const std::int64_t h_step = heads > 1 ? x.h_step : d;
  const std::int64_t t_step = t > 1 ? x.t_step : heads * h_step;
  return {batch > 1 ? x.b_step : t * t_step, h_step, t_step};
}

// Of `batch` of the problem's sequences; `length` as in AttentionSlices.
inline AttentionKey key_of(const AttentionProblem& p, std::int64_t batch, std::int64_t length,
                           bool backward) {
  AttentionKey key{.backward = backward,
                   .causal = p.causal,
                   .lse = p.lse != nullptr,
                   .f16 = p.dtype == DType::f16,
                   .batch = batch,
                   .h = p.h,
                   .h_kv = p.h_kv,
                   .tq = length ? length : p.tq,
                   .tk = length ? length : p.tk,
                   .d = p.d,
                   .rows = length ? p.tq : 0,
                   .scale = std::bit_cast<std::uint32_t>(p.scale)};
  const std::int64_t apart = length ? 1 : batch;  // a step from sequence to sequence means nothing
  const auto q_like = [&](const Heads& x) { return steps_of(x, apart, p.h, key.tq, p.d); };
  const auto k_like = [&](const Heads& x) { return steps_of(x, apart, p.h_kv, key.tk, p.d); };
  key.steps[0] = q_like(p.q), key.steps[1] = k_like(p.k);
  key.steps[2] = k_like(p.v), key.steps[3] = q_like(p.out);
  if (backward) {
    key.steps[4] = q_like(p.dout), key.steps[5] = q_like(p.dq);
    key.steps[6] = k_like(p.dk), key.steps[7] = k_like(p.dv);
  }
  return key;
}

// A graph of one operation.
class AttentionGraph {
 public:
  AttentionGraph(const AttentionKey& key, int compute_capability)
      : key_(key), graph_(std::make_shared<fe::graph::Graph>()) {
    graph_->set_io_data_type(data_type())
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT)
        .set_sm_version(compute_capability);
    if (key.backward)
      backward();
    else
      forward();
  }
  std::shared_ptr<fe::graph::Graph> graph() const { return graph_; }

 private:
  using Tensor = fe::graph::Tensor_attributes;
  using TensorPtr = std::shared_ptr<Tensor>;

  fe::DataType_t data_type() const {
    return key_.f16 ? fe::DataType_t::HALF : fe::DataType_t::BFLOAT16;
  }
  bool of_keys(Uid uid) const { return uid == kK || uid == kV || uid == kDk || uid == kDv; }
  void place(Tensor& t, Uid uid) {
    const auto& s = key_.steps[uid - kQ];
    const std::int64_t heads = of_keys(uid) ? key_.h_kv : key_.h;
    const std::int64_t length = of_keys(uid) ? key_.tk : key_.tq;
    t.set_uid(uid)
        .set_data_type(data_type())
        .set_dim({key_.batch, heads, length, key_.d})
        .set_stride({s[0], s[1], s[2], 1});
    if (key_.rows) t.set_ragged_offset(offsets(uid));
  }
  void place_lse(Tensor& t) {
    const std::int64_t h = key_.h, tq = key_.tq;
    t.set_uid(kLse).set_data_type(fe::DataType_t::FLOAT).set_dim({key_.batch, h, tq, 1});
    if (key_.rows)
      t.set_stride({h * tq, 1, h, 1}).set_ragged_offset(offsets(kLse));
    else
      t.set_stride({h * tq, tq, 1, 1});
  }
  TensorPtr input(Uid uid) {
    Tensor t;
    place(t, uid);
    return graph_->tensor(t);
  }
  void output(const TensorPtr& t, Uid uid) {
    place(*t, uid);
    t->set_output(true);
  }
  TensorPtr table(std::int64_t uid, std::int64_t size) {
    Tensor t;
    t.set_uid(uid)
        .set_data_type(fe::DataType_t::INT32)
        .set_dim({size, 1, 1, 1})
        .set_stride({1, 1, 1, 1});
    return graph_->tensor(t);
  }
  TensorPtr offsets(Uid uid) {
    const Uid of = key_.offsets_of(uid);
    if (!offsets_[of]) offsets_[of] = table(kOffsets + of, key_.batch + 1);
    return offsets_[of];
  }

  // Query t sees keys s <= t + (Tk - Tq).
  template <class Options>
  Options options() {
    Options o;
    o.set_name("attention").set_attn_scale(std::bit_cast<float>(key_.scale));
    if (key_.causal)
      o.set_diagonal_alignment(key_.tk > key_.tq ? fe::DiagonalAlignment_t::BOTTOM_RIGHT
                                                 : fe::DiagonalAlignment_t::TOP_LEFT)
          .set_diagonal_band_right_bound(0);
    if (key_.rows)
      o.set_padding_mask(true)
          .set_seq_len_q(table(kLengthsQ, key_.batch))
          .set_seq_len_kv(table(kLengthsK, key_.batch));
    return o;
  }

  void forward() {
    auto o = options<fe::graph::SDPA_attributes>();
    o.set_generate_stats(key_.lse);
    const auto [out, lse] = graph_->sdpa(input(kQ), input(kK), input(kV), o);
    output(out, kOut);
    if (!key_.lse) return;
    place_lse(*lse);
    lse->set_output(true);
  }
  void backward() {
    auto o = options<fe::graph::SDPA_backward_attributes>();
    o.set_deterministic_algorithm(true);
    if (key_.rows) o.set_max_total_seq_len_q(key_.rows).set_max_total_seq_len_kv(key_.rows);
    Tensor lse;
    place_lse(lse);
    const TensorPtr q = input(kQ), k = input(kK), v = input(kV), out = input(kOut);
    const TensorPtr dout = input(kDout);
    const auto [dq, dk, dv] = graph_->sdpa_backward(q, k, v, out, dout, graph_->tensor(lse), o);
    output(dq, kDq);
    output(dk, kDk);
    output(dv, kDv);
  }

  const AttentionKey& key_;
  std::shared_ptr<fe::graph::Graph> graph_;
  std::map<Uid, TensorPtr> offsets_;
};

}  // namespace gigatrain::kernels::cuda
