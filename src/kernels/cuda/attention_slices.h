// Which attention problems cuDNN is asked for, and in which workspace: the rule that the GPU and
// the dry run share, so that a plan of memory holds.
//
// cuDNN's reproducible backward keeps dS, the gradient of the scores, in 16 bits: Tq Tk 2 bytes for
// each head of each sequence (cudnn-frontend 1.32, scaled_dot_product_flash_attention.h: "force dP
// workspace ... deterministic"). So a batch goes through it in even slices that keep to about 1
// GiB; slices are independent of each other, and their bits of the slicing.
//
// Sequences of different lengths go as a batch whose length is the longest one's. That length and
// the batch are rounded up to powers of two, the batch by empty sequences at its end, so that few
// plans serve whatever lengths a step brings.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>

#include "gigatrain/base/integers.h"
#include "kernels/cpu/attention_problem.h"

namespace gigatrain::kernels::cuda {

struct AttentionSlices {
  std::int64_t batch = 0;      // of one call; the last may be smaller
  std::int64_t workspace = 0;  // bytes that suffice for one call, and for all tables
  // Of sequences of different lengths:
  std::int64_t length = 0;  // of a call's sequences, at most
  std::int64_t tables = 0;  // bytes of one call's offsets and lengths
  std::int64_t calls = 0;
};

inline constexpr const char* kAttentionWorkspaceName = "attention.cudnn";
inline constexpr std::int64_t kSliceWorkspace = std::int64_t{1} << 30;
inline constexpr std::int64_t kMostWorkspace = std::int64_t{4} << 30;
// A call's tables: the lengths, and the offsets of q, k, v, out, dout, dq, dk, dv and lse.
inline constexpr std::int64_t kOffsetTables = 9, kAttentionTables = 1 + kOffsetTables;

inline std::int64_t power_of_two_above(std::int64_t n) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(n)));
}
inline std::int64_t power_of_two_below(std::int64_t n) {
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(n)));
}
// Numbers of one table, padded so that each starts at 256 bytes.
inline std::int64_t attention_table(std::int64_t batch) {
  return round_up(batch + 1, 64);
}

// Bytes for one sequence: an upper bound of what cuDNN 9 asks for. Tiles are at most 128 rows, head
// dims round up to 64.
inline std::int64_t attention_workspace(const AttentionProblem& p, bool backward) {
  const std::int64_t tq = round_up(p.tq, 128), tk = round_up(p.tk, 128), d = round_up(p.d, 64);
  if (!backward) return p.h * tq * 4;
  std::int64_t bytes = p.h * tq * tk * 2;            // dS
  bytes += p.h * tq * (d + 2) * 4;                   // dQ in f32, sums of dO * O
  if (p.h != p.h_kv) bytes += 2 * p.h * tk * d * 4;  // dK and dV of every query head
  return bytes;
}

// 16-byte rows: what its loads want and do not check.
inline bool heads_aligned(const AttentionProblem& p, std::int64_t heads, std::int64_t t,
                          const Heads& x) {
  return reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0 && (p.b <= 1 || x.b_step % 8 == 0) &&
         (t <= 1 || x.t_step % 8 == 0) && (heads <= 1 || x.h_step % 8 == 0);
}

inline bool attention_served(const AttentionProblem& p, bool backward) {
  if (size_of(p.dtype) != 2 || p.d % 8 != 0 || p.d < 8 || p.d > 128) return false;
  if (p.b < 1 || p.tq < 1 || p.tk < 1 || p.masked()) return false;
  if (p.causal && p.tq > p.tk) return false;  // its bottom-right mask wants Tq <= Tk
  bool aligned = heads_aligned(p, p.h, p.tq, p.q) && heads_aligned(p, p.h_kv, p.tk, p.k) &&
                 heads_aligned(p, p.h_kv, p.tk, p.v) && heads_aligned(p, p.h, p.tq, p.out);
  if (backward)
    aligned = aligned && heads_aligned(p, p.h, p.tq, p.dout) && heads_aligned(p, p.h, p.tq, p.dq) &&
              heads_aligned(p, p.h_kv, p.tk, p.dk) && heads_aligned(p, p.h_kv, p.tk, p.dv);
  return aligned && reinterpret_cast<std::uintptr_t>(p.lse) % 16 == 0;
}

// Bytes beside those of each sequence, of all rows: sums of dO * O, and with grouped heads dK and
// dV of every query head, in rows as far apart as the group's.
inline std::int64_t sequences_workspace(const AttentionProblem& p, bool backward) {
  if (!backward) return 0;
  const std::int64_t group = p.h / p.h_kv;
  return p.tq * p.h * 4 + (group > 1 ? p.tq * (p.dk.t_step + p.dv.t_step) * group * 4 : 0);
}

// Of sequences of different lengths.
inline std::optional<AttentionSlices> sequence_slices(const AttentionProblem& p, bool backward) {
  if (p.d % 16 != 0) return std::nullopt;  // the frontend names a functional issue
  // Offsets have 32 bits, also those that it makes for dK and dV of every query head.
  for (const Heads* x : {&p.q, &p.k, &p.v, &p.out, &p.dout, &p.dq, &p.dk, &p.dv})
    if (p.tq * x->t_step * (p.h / p.h_kv) > std::numeric_limits<std::int32_t>::max())
      return std::nullopt;
  std::int64_t count = 0;
  AttentionProblem longest = p;
  longest.tq = 128;
  for (std::int64_t i = 0; i < p.sequences; ++i) {
    const std::int64_t length = p.offsets[i + 1] - p.offsets[i];
    count += length > 0;
    longest.tq = std::max(longest.tq, length);
  }
  longest.tq = longest.tk = power_of_two_above(longest.tq);
  const std::int64_t each = attention_workspace(longest, backward);
  const std::int64_t shared = sequences_workspace(p, backward);
  if (each + shared > kMostWorkspace) return std::nullopt;
  const std::int64_t most =
      std::max<std::int64_t>(kSliceWorkspace / std::max<std::int64_t>(each, 1), 1);
  AttentionSlices s{.batch = std::min(power_of_two_above(count), power_of_two_below(most)),
                    .length = longest.tq};
  s.calls = (count + s.batch - 1) / s.batch;
  s.tables = kAttentionTables * attention_table(s.batch) * 4;
  s.workspace = s.batch * each + shared + s.calls * s.tables + (1 << 20);
  return s;
}

// Nothing: the portable kernel serves.
inline std::optional<AttentionSlices> attention_slices(const AttentionProblem& p, bool backward) {
  if (!attention_served(p, backward)) return std::nullopt;
  if (p.offsets) return sequence_slices(p, backward);
  if (backward && p.tq == 1 && p.tk == 1) return std::nullopt;
  const std::int64_t each = attention_workspace(p, backward);
  if (each > kMostWorkspace) return std::nullopt;
  const std::int64_t most =
      std::max<std::int64_t>(kSliceWorkspace / std::max<std::int64_t>(each, 1), 1);
  const std::int64_t slices = (p.b + most - 1) / most;
  const std::int64_t batch = (p.b + slices - 1) / slices;
  if (slices > 1 && p.lse && batch * p.h * p.tq % 4 != 0) return std::nullopt;  // lse of a slice
  return AttentionSlices{.batch = batch, .workspace = batch * each + (1 << 20)};
}

}  // namespace gigatrain::kernels::cuda
