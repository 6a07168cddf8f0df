#include "gigatrain/train/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gigatrain/base/error.h"
#include "gigatrain/base/philox.h"
#include "gigatrain/nn/layers.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain {

namespace {

void check(const nn::LanguageModel& model, const std::vector<std::int32_t>& prompt,
           const GenerateOptions& o) {
  const auto refuse = [](const std::string& text) {
    throw Error(ErrorCode::invalid_argument, text);
  };
  if (prompt.empty()) refuse("a prompt needs at least one token");
  for (const auto id : prompt)
    if (id < 0 || id >= model.vocab_size())
      refuse(fmt::format("token {} of the prompt is outside the vocabulary [0, {})", id,
                         model.vocab_size()));
  if (!(o.temperature >= 0) || !std::isfinite(o.temperature))
    refuse(fmt::format("the temperature must be 0 or more, got {}", o.temperature));
  if (!(o.top_p > 0 && o.top_p <= 1))
    refuse(fmt::format("top_p must be in (0, 1], got {}", o.top_p));
  if (o.top_k < 0) refuse(fmt::format("top_k must be 0 or more, got {}", o.top_k));
}

// Draws from softmax(logits / temperature), cut to the top k and the top p.
std::int32_t draw(const std::vector<float>& logits, const GenerateOptions& o, double uniform) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  if (o.temperature == 0) return order.front();
  if (o.top_k > 0 && o.top_k < static_cast<std::int64_t>(order.size()))
    order.resize(static_cast<std::size_t>(o.top_k));
  const double peak = static_cast<double>(logits[static_cast<std::size_t>(order.front())]);
  std::vector<double> p;
  for (const auto id : order)
    p.push_back(std::exp((static_cast<double>(logits[static_cast<std::size_t>(id)]) - peak) /
                         o.temperature));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  double kept = 0;
  std::size_t count = 0;
  while (count < p.size() && kept < o.top_p * total) kept += p[count++];
  double left = uniform * kept;
  for (std::size_t i = 0; i < count; ++i)
    if ((left -= p[i]) < 0) return order[i];
  return order[count - 1];
}

}  // namespace

std::vector<std::int32_t> generate(nn::LanguageModel& model, Device& device,
                                   const std::vector<std::int32_t>& prompt,
                                   const GenerateOptions& options,
                                   const std::function<bool(std::int32_t)>& on_token) {
  check(model, prompt, options);
  const NoGrad off;
  const auto window = static_cast<std::size_t>(model.max_positions());
  const PhiloxKey key = random_key(options.seed, "generate", "");
  nn::KvCache cache(1, model.max_positions());
  std::vector<std::int32_t> text = prompt, made;
  // What the cache has not seen yet: first the prompt, then one token at a time.
  std::size_t fed = text.size() > window ? text.size() - window : 0;
  for (std::int64_t i = 0; i < options.max_tokens; ++i) {
    if (cache.length() + static_cast<std::int64_t>(text.size() - fed) > model.max_positions()) {
      cache.clear();
      fed = text.size() - std::max<std::size_t>(window / 2, 1);
    }
    const std::vector<std::int32_t> fresh(text.begin() + static_cast<std::ptrdiff_t>(fed),
                                          text.end());
    fed = text.size();
    nn::BatchContext context{.cache = &cache};
    const Tensor tokens =
        Tensor::from<std::int32_t>(device, {1, static_cast<std::int64_t>(fresh.size())}, fresh);
    const auto logits = model.next_token_logits(tokens, context).to_vector<float>();
    const auto word =
        philox_block(key, static_cast<std::uint64_t>(i), 0, 0)[static_cast<std::size_t>(i % 4)];
    const std::int32_t id = draw(logits, options, static_cast<double>(to_uniform(word)));
    if (id == options.stop_token) break;
    text.push_back(id);
    made.push_back(id);
    if (on_token && !on_token(id)) break;
  }
  return made;
}

}  // namespace gigatrain
