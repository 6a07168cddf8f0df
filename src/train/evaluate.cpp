#include "gigatrain/train/evaluate.h"

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain {

Evaluation evaluate(nn::Model& model, Device& device, const BatchSource& data,
                    const EvaluateOptions& o) {
  const NoGrad off;
  const std::int64_t samples = data.eval_samples();
  if (o.micro_batch < 1 || samples < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("evaluation needs samples and a micro_batch of at least 1, got {} and "
                            "{}",
                            samples, o.micro_batch));
  model.check_fields(data.fields());
  const std::int64_t all = (samples + o.micro_batch - 1) / o.micro_batch;
  const std::int64_t count = o.batches > 0 ? std::min(o.batches, all) : all;
  const auto ranges = model.id_ranges();
  const HostBatch host(data.fields(), o.micro_batch);
  Evaluation result;
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = (i * all / count) * o.micro_batch;
    const std::int64_t n = std::min(o.micro_batch, samples - begin);
    data.fill_eval(begin, n, host.pointers());
    check_ids(ranges, data.fields(), n, host.pointers());
    const nn::Batch batch = host.on(device, n);
    nn::BatchContext context;
    sum += model.loss(batch, 1.0, context).item();
    result.terms += data.loss_terms(n, host.pointers());
    result.samples += n;
    if (o.on_batch) {
      nn::BatchContext again;
      o.on_batch(batch, model.predict(batch, again));
    }
  }
  if (result.terms > 0) result.loss = sum / static_cast<double>(result.terms);
  return result;
}

Evaluation evaluate(nn::Model& model, Device& device, const BatchSource& data,
                    std::int64_t micro_batch, std::int64_t batches) {
  return evaluate(model, device, data, {.micro_batch = micro_batch, .batches = batches});
}

double accuracy(nn::Model& model, Device& device, const BatchSource& data,
                const EvaluateOptions& options, const std::string& label) {
  std::int64_t right = 0, all = 0;
  EvaluateOptions o = options;
  o.on_batch = [&](const nn::Batch& batch, const Tensor& logits) {
    const auto labels = batch.at(label).to_vector<std::int64_t>();
    const auto rows = logits.to_vector<float>();
    const auto classes = logits.shape()[-1];
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 0) continue;
      const auto row = rows.begin() + static_cast<std::ptrdiff_t>(i) * classes;
      right += std::max_element(row, row + classes) - row == labels[i];
      ++all;
    }
    if (options.on_batch) options.on_batch(batch, logits);
  };
  evaluate(model, device, data, o);
  return all ? static_cast<double>(right) / static_cast<double>(all) : 0.0;
}

}  // namespace gigatrain
