// Rotary position embedding (Su et al., arXiv:2104.09864): each pair of elements of a query or key
// head is turned by its position times the pair's frequency. Angles are exact at any position.
// Shapes, dtypes and scalings that do not fit throw Error(invalid_argument).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

// Which elements make a pair, in a head's first R = rotary_dims.
enum class RopeLayout {
  half,         // (i, i + R / 2): "rotate_half" of Hugging Face's Llama, and GPT-NeoX
  interleaved,  // (2 i, 2 i + 1): GPT-J, and the original Llama
};

// How frequencies change for contexts longer than the model was trained on: the kinds and the
// fields of Hugging Face's `rope_scaling`, with its defaults.
struct RopeScaling {
  enum class Kind {
    none,
    linear,   // every frequency / factor
    dynamic,  // NTK: theta grows once there are more positions than original_positions
    llama3,   // low frequencies / factor, high ones kept, a ramp between
    yarn,     // Peng et al., arXiv:2309.00071
  };
  Kind kind = Kind::none;
  double factor = 1.0;
  // original_max_position_embeddings; dynamic: max_position_embeddings. dynamic, llama3 and yarn
  // need it.
  std::int64_t original_positions = 0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn
  std::optional<double> attention_factor{};              // yarn; default: from factor and mscale
  double mscale = 0.0, mscale_all_dim = 0.0;             // yarn; 0: not given
  bool truncate = true;                                  // yarn
};

struct RopeOptions {
  RopeLayout layout = RopeLayout::half;
  double theta = 10000.0;        // greater than 1
  std::int64_t rotary_dims = 0;  // even, at most D; the elements after them stay. 0: D
  // Position of element t of the T dim: first_position + t; or positions[b, t], (B, T) i32.
  std::int64_t first_position = 0;
  Tensor positions{};
  RopeScaling scaling{};
};

// What is turned by how much: radians per position of each pair, and a factor on the result (YaRN's
// attention factor). `length`: positions in use, which dynamic scaling depends on; the ops give it
// first_position + T.
struct RopeFrequencies {
  std::vector<double> radians;  // R / 2
  double attention_factor = 1.0;
};
RopeFrequencies rope_frequencies(const RopeOptions& options, std::int64_t head_dim,
                                 std::int64_t length);

// x (B, T, H, D), f32, bf16 or f16, D at most 512; result like x.
Tensor rope(const Tensor& x, const RopeOptions& options = {});

// The queries and keys of a packed qkv (B, T, (H + 2 Hkv) D), as one product makes it: each head
// RMS-normalised where a weight (D) f32 is given (Qwen3; arXiv:2010.04245), then turned, in one
// pass over memory; values stay. Result like qkv.
//
// Without weights, or without the tape, it is done in place if `qkv` is the only handle to its
// memory: move it in, and no node may have saved it. With weights the backward reads qkv, so that
// the result gets memory of its own. The gradient is made in place wherever nobody else holds it.
Tensor qk_norm_rope(Tensor qkv, std::int64_t heads, std::int64_t kv_heads,
                    const RopeOptions& options = {}, const Tensor& q_weight = {},
                    const Tensor& k_weight = {}, float eps = 1e-6f);

}  // namespace gigatrain::ops
