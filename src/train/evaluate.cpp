#include "gigatrain/train/evaluate.h"

#include <algorithm>

#include "gigatrain/tensor/node.h"

namespace gigatrain {

Evaluation evaluate(nn::LanguageModel& model, Device& device, const TokenSource& data,
                    std::int64_t micro_batch, std::int64_t batches) {
  const NoGrad off;
  const std::int64_t windows = data.eval_windows(), t = data.seq_len();
  const std::int64_t all = (windows + micro_batch - 1) / micro_batch;
  const std::int64_t count = batches > 0 ? std::min(batches, all) : all;
  Evaluation result;
  double sum = 0;
  std::vector<std::int32_t> tokens, targets;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = (i * all / count) * micro_batch;
    const std::int64_t samples = std::min(micro_batch, windows - begin);
    tokens.resize(static_cast<std::size_t>(samples * t));
    targets.resize(tokens.size());
    for (std::int64_t s = 0; s < samples; ++s)
      data.eval_window(begin + s, tokens.data() + s * t, targets.data() + s * t);
    nn::BatchContext context;
    const Tensor loss =
        model.loss(Tensor::from<std::int32_t>(device, {samples, t}, tokens),
                   Tensor::from<std::int32_t>(device, {samples, t}, targets), 1.0, context);
    sum += loss.item();
    result.tokens += std::count_if(targets.begin(), targets.end(), [](auto id) { return id >= 0; });
  }
  if (result.tokens > 0) result.loss = sum / static_cast<double>(result.tokens);
  return result;
}

}  // namespace gigatrain
