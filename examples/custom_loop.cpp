// A training loop of one's own: data from a function, forward, backward, clip, AdamW.
//
// The model learns to copy: after a marker it must repeat the eight symbols that came before, which
// only attention can do.
//
//   Run:    ./example_custom_loop        (about 20 seconds on two cores)
//   Expect: copied 8 of 8 symbols

#include <cstdio>
#include <vector>

#include "gigatrain/gigatrain.h"

namespace {

constexpr std::int64_t kBatch = 32, kSymbols = 8, kAlphabet = 16, kMarker = kAlphabet;
constexpr std::int64_t kLength = 2 * kSymbols;  // 8 symbols, the marker, 7 of their copies

// A batch is a pure function of the step: Philox, keyed by what it is for.
void make_batch(std::uint32_t step, std::vector<std::int32_t>& tokens,
                std::vector<std::int32_t>& targets) {
  const auto key = gt::random_key(/*seed=*/1, "data", "copy");
  tokens.assign(kBatch * kLength, 0);
  targets.assign(kBatch * kLength, -1);  // -1: no loss here
  for (std::int64_t b = 0; b < kBatch; ++b)
    for (std::int64_t i = 0; i < kSymbols; ++i) {
      const auto block =
          gt::philox_block(key, static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(b), step);
      const auto symbol =
          static_cast<std::int32_t>(block[static_cast<std::size_t>(i % 4)] % kAlphabet);
      const auto row = b * kLength;
      tokens[static_cast<std::size_t>(row + i)] = symbol;
      if (i + 1 < kSymbols) tokens[static_cast<std::size_t>(row + kSymbols + 1 + i)] = symbol;
      targets[static_cast<std::size_t>(row + kSymbols + i)] = symbol;
    }
  for (std::int64_t b = 0; b < kBatch; ++b)
    tokens[static_cast<std::size_t>(b * kLength + kSymbols)] = kMarker;
}

}  // namespace

int main() {
  gt::Device device;
  const auto model = gt::nn::gpt({.vocab_size = kAlphabet + 1,
                                  .n_positions = kLength,
                                  .n_layer = 2,
                                  .n_head = 4,
                                  .n_embd = 64});
  gt::nn::materialize(*model, device);
  const auto parameters = gt::nn::named_parameters(*model);
  gt::optim::AdamW adamw(parameters, {.weight_decay = 0.01f});

  std::vector<std::int32_t> tokens, targets;
  const auto tensor = [&](const std::vector<std::int32_t>& ids) {
    return gt::Tensor::from<std::int32_t>(device, {kBatch, kLength}, ids);
  };
  for (std::uint32_t step = 0; step < 600; ++step) {
    make_batch(step, tokens, targets);
    gt::nn::BatchContext context{.training = true, .seed = 1, .step = step};
    const auto loss =
        model->loss(tensor(tokens), tensor(targets), 1.0 / (kBatch * kSymbols), context);
    gt::backward(loss);
    gt::parallel::collect_gradients(parameters);
    const auto clip = gt::optim::clip_scale(parameters, 1.0f);  // {norm, factor}
    adamw.step({.step = step + 1, .lr = 3e-3f, .clip = clip});
    if (step % 100 == 0)
      std::printf("step %3u  loss %.4f  grad_norm %.2f\n", step, loss.item(),
                  clip.to_vector<double>()[0]);
  }

  const std::vector<std::int32_t> prompt{3, 1, 4, 1, 5, 9, 2, 6, kMarker};
  const auto copy =
      gt::generate(*model, device, prompt, {.max_tokens = kSymbols, .temperature = 0});
  std::size_t right = 0;
  for (std::size_t i = 0; i < copy.size(); ++i) right += copy[i] == prompt[i];
  std::printf("copied %zu of %lld symbols\n", right, static_cast<long long>(kSymbols));
  return 0;
}
