#include "gigatrain/train/memory_plan.h"

#include <algorithm>
#include <bit>

namespace gigatrain {

namespace {

// What one block keeps, in elements a token: ln_1's output (C), q k v, attention's output (C), the
// residual sum (C), ln_2's output (C), the MLP's pre-activation and activation (2 inner), and the
// block's output (C). The projections' outputs are given back at once.
std::int64_t block_elements(const nn::GptConfig& c) {
  const std::int64_t qkv = (c.n_head + 2 * c.n_kv_head) * (c.n_embd / c.n_head);
  return 5 * c.n_embd + qkv + 2 * c.n_inner;
}

// The backward of a block holds the gradients of its widest tensors for a moment.
std::int64_t backward_elements(const nn::GptConfig& c) {
  return 2 * c.n_inner + 3 * c.n_embd;
}

}  // namespace

MemoryPlan plan_memory(const nn::GptConfig& config, const BatchShape& b, DType compute) {
  const nn::GptConfig c = nn::resolve(config);
  const std::int64_t n = nn::parameter_count(c), narrow = size_of(compute);
  const std::int64_t tokens = b.micro_batch * b.seq_len, head = c.vocab_size * c.n_embd;
  MemoryPlan plan;
  plan.parameters = n * (compute == DType::f32 ? 4 : 4 + narrow);
  plan.optimizer = 2 * 4 * n;
  const auto levels =
      static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(b.leaves)));
  plan.gradients = 4 * (n + (c.tie ? head : 0)) * levels + 4 * head;
  plan.activations =
      tokens * narrow * (c.n_layer * block_elements(c) + 4 * c.n_embd + backward_elements(c)) +
      tokens * 4 *
          (c.n_layer * (4 + c.n_head) + 2);  // mean and rstd of two norms, lse of each head
  plan.workspace =
      std::min<std::int64_t>(tokens * c.vocab_size, (4 << 20) + 16 * c.vocab_size) * narrow +
      4 * tokens;
  return plan;
}

}  // namespace gigatrain
