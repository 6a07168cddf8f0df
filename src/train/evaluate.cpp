#include "gigatrain/train/evaluate.h"

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"

namespace gigatrain {

namespace {

// Which samples an evaluation sees: `count` of the `all` micro-batches there are, spread evenly.
struct Plan {
  std::int64_t samples = 0, micro_batch = 1, all = 0, count = 0;

  Plan(const BatchSource& data, const EvaluateOptions& o)
      : samples(data.eval_samples()), micro_batch(o.micro_batch) {
    if (micro_batch < 1 || samples < 1)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("evaluation needs samples and a micro_batch of at least 1, got {} and "
                      "{}",
                      samples, micro_batch));
    all = (samples + micro_batch - 1) / micro_batch;
    count = o.batches > 0 ? std::min(o.batches, all) : all;
  }
  std::int64_t begin(std::int64_t i) const { return (i * all / count) * micro_batch; }
  std::int64_t size(std::int64_t i) const { return std::min(micro_batch, samples - begin(i)); }
};

// Each loss stays on the device until all are made, so that the host never waits for one of them:
// it reads the next micro-batch meanwhile.
class Losses {
 public:
  Losses(Device& device, std::int64_t count)
      : each_(Tensor::full(device, {count}, 0.0, DType::f64, {Purpose::data, "losses"})) {}

  void set(std::int64_t i, const Tensor& loss) {
    TensorView scalar = loss.view();
    scalar.shape = {1};
    each_.device().stream().submit(
        kernels::Copy{.x = scalar, .y = ops::slice(each_, 0, i, i + 1).view()});
  }
  // In the order of the micro-batches, whoever computed them; others' are 0 here.
  double sum(Communicator* ranks) const {
    std::vector<double> all = each_.to_vector<double>();
    if (ranks)
      ranks
          ->all_reduce(TensorView(all.data(), DType::f64, {static_cast<std::int64_t>(all.size())}),
                       Reduce::sum)
          .wait();
    double sum = 0;
    for (const double loss : all) sum += loss;
    return sum;
  }

 private:
  Tensor each_;
};

}  // namespace

Evaluation evaluate(nn::Model& model, Device& device, const BatchSource& data,
                    const EvaluateOptions& o) {
  const NoGrad off;
  const Plan plan(data, o);
  model.check_fields(data.fields());
  const auto ranges = model.id_ranges();
  const HostBatch host(data.fields(), o.micro_batch);
  Losses losses(device, plan.count);
  Evaluation result;
  const std::int64_t size = o.ranks ? o.ranks->size() : 1, rank = o.ranks ? o.ranks->rank() : 0;
  for (std::int64_t turn = 0; turn < ceil_div(plan.count, size); ++turn) {
    // Where micro-batches run out, the last one again: the others may need this rank's weights.
    const std::int64_t i = std::min(turn * size + rank, plan.count - 1);
    const bool counts = i == turn * size + rank;
    const std::int64_t n = plan.size(i);
    data.fill_eval(plan.begin(i), n, host.pointers());
    check_ids(ranges, data.fields(), n, host.pointers());
    const nn::Batch batch = host.on(device, n);
    nn::BatchContext context;
    const Tensor loss = model.loss(batch, 1.0, context);
    if (!counts) continue;
    losses.set(i, loss);
    result.terms += data.loss_terms(n, host.pointers());
    result.samples += n;
    if (o.on_batch) {
      nn::BatchContext again;
      o.on_batch(batch, model.predict(batch, again));
    }
  }
  if (o.ranks) {
    result.terms = o.ranks->all_reduce(result.terms, Reduce::sum);
    result.samples = o.ranks->all_reduce(result.samples, Reduce::sum);
  }
  const double sum = losses.sum(o.ranks);
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
  if (options.ranks) {
    right = options.ranks->all_reduce(right, Reduce::sum);
    all = options.ranks->all_reduce(all, Reduce::sum);
  }
  return all ? static_cast<double>(right) / static_cast<double>(all) : 0.0;
}

}  // namespace gigatrain
