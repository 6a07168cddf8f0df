// Data parallelism in a loop of one's own: ranks (here threads of this process) compute different
// leaves of each step's batch, and keep parts of gradients, optimizer state and weights (ZeRO). The
// bits are those of one rank, also of a run that other ranks continue.
//
//   Run:    ./example_data_parallel        (a second)
//   Expect: one state on 1, 2 and 4 ranks: yes

#include <cstdio>
#include <filesystem>

#include "gigatrain/gigatrain.h"

namespace nn = gt::nn;

namespace {

constexpr std::int64_t kLeaves = 4, kLeaf = 16, kBatch = kLeaves * kLeaf, kSteps = 200;

// Points, and which of them lie inside a circle.
gt::ArraySource make_data() {
  std::vector<float> x;
  std::vector<std::int32_t> label;
  for (std::uint64_t i = 0; i < 1024; ++i) {
    const auto words = gt::philox_block(gt::random_key(/*seed=*/1, "data", "circle"), i, 0, 0);
    const float a = static_cast<float>(words[0]) * 0x1p-31f - 1;
    const float b = static_cast<float>(words[1]) * 0x1p-31f - 1;
    x.insert(x.end(), {a, b});
    label.push_back(a * a + b * b < 0.6f ? 1 : 0);
  }
  return gt::ArraySource(
      {gt::array<float>("x", {1024, 2}, x), gt::array<std::int32_t>("label", {1024}, label)},
      {.global_batch = kBatch, .seed = 1});
}

nn::ClassificationHead make_model() {
  const auto linear = [](std::int64_t in, std::int64_t out, float std) {
    return std::make_shared<nn::Linear>(
        nn::Linear::Options{.in = in, .out = out, .gelu = true, .init_std = std});
  };
  return {std::make_shared<nn::Sequential>(
              std::vector<std::shared_ptr<nn::Layer>>{linear(2, 64, 0.7f), linear(64, 64, 0.2f)}),
          {.channels = 64, .classes = 2}};
}

// What every rank runs: continues from the state in `file`, if there is one, and leaves it there.
std::string train(gt::Communicator& ranks, int zero, const std::string& file, std::int64_t steps) {
  const auto device = gt::open_device("cpu", {}, ranks.size());
  const auto data = make_data();
  auto model = make_model();
  nn::materialize(model, *device, {.seed = 1});
  gt::parallel::DataParallel dp(model, *device, ranks, {.leaves = kLeaves, .zero = zero});
  gt::optim::AdamW adamw(nn::named_parameters(model), {.weight_decay = 0.01f});
  const bool saved = std::filesystem::exists(file);
  for (auto step = saved ? gt::load_state(file, model, adamw, &ranks) : 0; step < steps; ++step) {
    nn::BatchContext context{.training = true, .seed = 1, .step = static_cast<std::uint32_t>(step)};
    dp.begin_step();
    for (const auto& turn : dp.turns()) {  // this rank's leaves
      dp.begin_leaf(turn);
      const auto batch = data.batch_at(*device, step, turn.leaf * kLeaf, kLeaf);
      gt::backward(model.loss(batch, 1.0 / kBatch, context));
      dp.end_leaf();
    }
    dp.finish();
    dp.step(adamw, {.step = step + 1, .lr = 5e-3f, .clip = dp.clip_scale(1.0f)});
  }
  gt::save_state(file, model, adamw, {.step = steps, .ranks = &ranks});
  const auto all = gt::evaluate(model, *device, data, {.micro_batch = kBatch, .ranks = &ranks});
  const auto digest = gt::state_digest(nn::named_parameters(model), &adamw, &ranks).hex();
  if (ranks.rank() == 0)
    std::printf("step %3lld  %d ranks  ZeRO %d  loss %.4f  state %s\n",
                static_cast<long long>(steps), ranks.size(), zero, all.loss, digest.c_str());
  return digest;
}

std::string run(int ranks, int zero, const std::string& file, std::int64_t steps) {
  std::string digest;
  gt::run_ranks(ranks, [&](gt::Communicator& world) {
    const auto own = train(world, zero, file, steps);
    if (world.rank() == 0) digest = own;
  });
  return digest;
}

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() / "gigatrain_example_data_parallel";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string one = run(1, 0, folder / "one.safetensors", kSteps);
  const std::string two = run(2, 2, folder / "two.safetensors", kSteps);
  run(2, 1, folder / "four.safetensors", kSteps / 2);  // and then on four ranks
  const std::string four = run(4, 3, folder / "four.safetensors", kSteps);
  std::filesystem::remove_all(folder);
  std::printf("one state on 1, 2 and 4 ranks: %s\n", one == two && two == four ? "yes" : "no");
  return one == two && two == four ? 0 : 1;
}
