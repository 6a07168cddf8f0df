// A vision transformer (Dosovitskiy et al., arXiv:2010.11929) learns to read 8 x 8 digits: patches
// of 2 x 2 become 16 tokens, three blocks look at all of them, the mean of the tokens is
// classified. Every fifth image is held out.
//
//   Data:   ./scripts/fetch_datasets.sh
//   Run:    ./example_digits_vit data/digits.csv      (about 20 seconds on two cores)
//   Expect: (9[7-9]\.[0-9]|100\.0) % of 360 held-out images are read right

#include <cstdio>

#include "gigatrain/gigatrain.h"
#include "read_csv.h"

using gt::Tensor;
namespace nn = gt::nn;
namespace ops = gt::ops;

namespace {

constexpr std::int64_t kPatches = 16, kPixels = 4, kChannels = 64, kBatch = 64, kSteps = 600;

class VisionTransformer : public nn::Layer {
 public:
  VisionTransformer() {
    embed = std::make_shared<nn::Linear>(
        nn::Linear::Options{.in = kPixels, .out = kChannels, .init_std = 0.3f});
    positions = add_parameter("positions", {kPatches, kChannels},
                              {.kind = gt::Init::Kind::normal, .stddev = 0.3f})
                    ->add_use();
    const nn::MultiHeadAttention::Options attention{
        .channels = kChannels, .heads = 4, .init_std = 0.1f};
    const auto block = [&] {
      return std::make_shared<nn::TransformerBlock>(
          nn::TransformerBlock::Options{.attention = attention, .dropout = 0.1f});
    };
    blocks = std::make_shared<nn::Sequential>(
        std::vector<std::shared_ptr<nn::Layer>>{block(), block(), block()});
    norm = std::make_shared<nn::LayerNorm>(kChannels);
  }
  // x (B, 16, 4) -> (B, C)
  Tensor forward(const Tensor& x, nn::BatchContext& context) override {
    const Tensor tokens = ops::add(embed->forward(x, context), positions->tensor());
    const Tensor y = norm->forward(blocks->forward(tokens, context), context);  // (B, 16, C)
    return ops::reshape(ops::mean(y, {1}), {x.shape()[0], kChannels});
  }

 private:
  nn::Child<nn::Layer> embed{this, "embed"}, blocks{this, "blocks"}, norm{this, "norm"};
  std::shared_ptr<gt::ParameterUse> positions;
};

// Pixels 0..16 to about -1..1, row by row to patch by patch.
gt::ArraySource source(const Table& table) {
  std::vector<float> patches(table.x.size());
  for (std::size_t i = 0; i < patches.size(); ++i) {
    const std::size_t image = i / 64, y = i / 8 % 8, x = i % 8;
    const std::size_t patch = y / 2 * 4 + x / 2, pixel = y % 2 * 2 + x % 2;
    patches[image * 64 + patch * 4 + pixel] = table.x[i] / 8 - 1;
  }
  const auto n = static_cast<std::int64_t>(table.label.size());
  return gt::ArraySource({gt::array<float>("x", {n, kPatches, kPixels}, std::move(patches)),
                          gt::array<std::int32_t>("label", {n}, table.label)},
                         {.global_batch = kBatch, .seed = 1});
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "data/digits.csv";
  const auto train = source(read_csv(path, [](std::int64_t row) { return row % 5 != 0; }));
  const auto test = source(read_csv(path, [](std::int64_t row) { return row % 5 == 0; }));

  const auto device = gt::open_device("auto");
  nn::ClassificationHead model(std::make_shared<VisionTransformer>(),
                               {.channels = kChannels, .classes = 10});
  nn::materialize(model, *device);
  gt::optim::AdamW adamw(nn::named_parameters(model), {.weight_decay = 0.1f});
  gt::Trainer trainer(model, adamw, train,
                      {.batch = {.micro_batch = kBatch},
                       .steps = kSteps,
                       .schedule = {.lr = 2e-3f, .warmup = 50, .min_lr = 0.02f}});
  trainer.on_step([](const gt::StepReport& r) {
    if (r.step % 100 == 0)
      std::printf("step %lld  loss %.3f\n", static_cast<long long>(r.step), r.loss);
  });
  trainer.fit();
  std::printf("%.1f %% of %lld held-out images are read right\n",
              100 * gt::accuracy(model, *device, test, {.micro_batch = 60}),
              static_cast<long long>(test.eval_samples()));
  return 0;
}
