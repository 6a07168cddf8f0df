// Finds malignant tumours in a table of 30 measurements of cell nuclei (Street, Wolberg and
// Mangasarian, 1993), with a small network, and says how well it ranks them: the area under the ROC
// curve. Every fourth patient is held out.
//
//   Data:   ./scripts/fetch_datasets.sh
//   Run:    ./example_breast_cancer data/breast_cancer.csv      (a second)
//   Expect: ROC-AUC (0\.99[0-9]*|1\.0*) on 143 held-out patients

#include <cmath>
#include <cstdio>

#include "gigatrain/gigatrain.h"
#include "read_csv.h"

namespace nn = gt::nn;

namespace {

constexpr std::int64_t kBatch = 64;

// Measurements differ by orders of magnitude: each is brought to mean 0 and deviation 1, as seen in
// the training rows.
void standardize(const Table& seen, Table& table) {
  const auto columns = static_cast<std::size_t>(table.columns), rows = seen.x.size() / columns;
  for (std::size_t c = 0; c < columns; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const double v = static_cast<double>(seen.x[r * columns + c]);
      sum += v, squares += v * v;
    }
    const double mean = sum / static_cast<double>(rows);
    const double deviation = std::sqrt(squares / static_cast<double>(rows) - mean * mean);
    for (std::size_t i = c; i < table.x.size(); i += columns)
      table.x[i] = static_cast<float>((static_cast<double>(table.x[i]) - mean) / deviation);
  }
}

gt::ArraySource source(const Table& table) {
  const auto n = static_cast<std::int64_t>(table.label.size());
  return gt::ArraySource({gt::array<float>("x", {n, table.columns}, table.x),
                          gt::array<std::int32_t>("label", {n}, table.label)},
                         {.global_batch = kBatch, .seed = 1});
}

// The chance that a benign tumour (1) gets a higher score than a malignant one (0).
double roc_auc(const std::vector<float>& score, const std::vector<std::int32_t>& label) {
  double wins = 0, pairs = 0;
  for (std::size_t i = 0; i < label.size(); ++i)
    for (std::size_t j = 0; j < label.size(); ++j)
      if (label[i] == 1 && label[j] == 0) {
        wins += score[i] > score[j] ? 1.0 : score[i] == score[j] ? 0.5 : 0.0;
        pairs += 1;
      }
  return wins / pairs;
}

std::shared_ptr<nn::Layer> network(std::int64_t columns) {
  const auto hidden = [](std::int64_t in, std::int64_t out) {
    return std::make_shared<nn::Linear>(nn::Linear::Options{
        .in = in, .out = out, .gelu = true, .init_std = 1 / std::sqrt(static_cast<float>(in))});
  };
  return std::make_shared<nn::Sequential>(std::vector<std::shared_ptr<nn::Layer>>{
      hidden(columns, 32), std::make_shared<nn::Dropout>(0.2f), hidden(32, 16)});
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "data/breast_cancer.csv";
  const Table seen = read_csv(path, [](std::int64_t row) { return row % 4 != 0; });
  Table train = seen, test = read_csv(path, [](std::int64_t row) { return row % 4 == 0; });
  standardize(seen, train);
  standardize(seen, test);

  const auto device = gt::open_device("auto");
  nn::ClassificationHead model(network(train.columns), {.channels = 16, .classes = 2});
  nn::materialize(model, *device);
  gt::optim::AdamW adamw(nn::named_parameters(model), {.weight_decay = 0.1f});
  const auto data = source(train), held_out = source(test);
  gt::Trainer trainer(model, adamw, data,
                      {.batch = {.micro_batch = kBatch}, .steps = 200, .schedule = {.lr = 5e-3f}});
  trainer.fit();

  std::vector<float> score;  // of benign against malignant
  const auto collect = [&](const nn::Batch&, const gt::Tensor& logits) {
    const auto values = logits.to_vector<float>();
    for (std::size_t i = 0; i < values.size(); i += 2) score.push_back(values[i + 1] - values[i]);
  };
  const auto result =
      gt::evaluate(model, *device, held_out, {.micro_batch = kBatch, .on_batch = collect});
  std::printf("held-out loss %.3f\n", result.loss);
  std::printf("ROC-AUC %.4f on %zu held-out patients\n", roc_auc(score, test.label), score.size());
  return 0;
}
