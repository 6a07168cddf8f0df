// Which attention problems cuDNN is asked for, and in which workspace: the rule that the GPU and
// the dry run share, so that a plan of memory holds.
//
// cuDNN's reproducible backward keeps dS, the gradient of the scores, in bf16: Tq Tk 2 bytes for
// each head of each sequence (cudnn-frontend 1.32, scaled_dot_product_flash_attention.h: "force dP
// workspace ... deterministic"). So a batch goes through it in even slices that keep to about 1
// GiB; slices are independent of each other, and their bits of the slicing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "kernels/cpu/attention_problem.h"

namespace gigatrain::kernels::cuda {

struct AttentionSlices {
  std::int64_t batch = 0;      // of one call; the last may be smaller
  std::int64_t workspace = 0;  // bytes that suffice for one call
};

inline constexpr const char* kAttentionWorkspaceName = "attention.cudnn";
inline constexpr std::int64_t kSliceWorkspace = std::int64_t{1} << 30;
inline constexpr std::int64_t kMostWorkspace = std::int64_t{4} << 30;

// Bytes for one sequence: an upper bound of what cuDNN 9 asks for. Tiles are at most 128 rows, head
// dims round up to 64.
inline std::int64_t attention_workspace(const AttentionProblem& p, bool backward) {
  const auto up = [](std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; };
  const std::int64_t tq = up(p.tq, 128), tk = up(p.tk, 128), d = up(p.d, 64);
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

// Nothing: the portable kernel serves.
inline std::optional<AttentionSlices> attention_slices(const AttentionProblem& p, bool backward) {
  if (p.dtype != DType::bf16 || p.d % 8 != 0 || p.d < 8 || p.d > 128) return std::nullopt;
  if (p.b < 1 || p.tq < 1 || p.tk < 1) return std::nullopt;
  if (p.causal && p.tq > p.tk) return std::nullopt;  // its bottom-right mask wants Tq <= Tk
  if (backward && p.tq == 1 && p.tk == 1) return std::nullopt;
  bool aligned = heads_aligned(p, p.h, p.tq, p.q) && heads_aligned(p, p.h_kv, p.tk, p.k) &&
                 heads_aligned(p, p.h_kv, p.tk, p.v) && heads_aligned(p, p.h, p.tq, p.out);
  if (backward)
    aligned = aligned && heads_aligned(p, p.h, p.tq, p.dout) && heads_aligned(p, p.h, p.tq, p.dq) &&
              heads_aligned(p, p.h_kv, p.tk, p.dk) && heads_aligned(p, p.h_kv, p.tk, p.dv);
  if (!aligned || reinterpret_cast<std::uintptr_t>(p.lse) % 16 != 0) return std::nullopt;

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
