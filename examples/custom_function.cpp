// An op with a backward of one's own: a hard step forward, whose gradient is passed straight
// through (Bengio et al., arXiv:1308.3432), trains a network whose hidden units are 0 or 1. It
// learns the parity of three bits.
//
//   Run:    ./example_custom_function      (a second)
//   Expect: 8 of 8 patterns have the right parity

#include <cstdio>
#include <vector>

#include "gigatrain/gigatrain.h"

using gt::Tensor;
namespace nn = gt::nn;
namespace ops = gt::ops;

namespace {

// y = 1 where x > 0, else 0. Backward: dx = dy (1 - tanh(x)^2), the slope of a soft step.
Tensor hard_step(const Tensor& x) {
  Tensor y;
  {
    gt::NoGrad off;
    auto values = x.to_vector<float>();
    for (float& v : values) v = v > 0 ? 1.0f : 0.0f;
    y = Tensor::from<float>(x.device(), x.shape(), values);
  }
  return gt::custom_op("hard_step", {x}, {y}, {x}, [](const gt::CustomGradients& g) {
    const Tensor soft = ops::tanh(g.saved[0]);
    return std::vector{ops::sub(g.dout[0], ops::mul(g.dout[0], ops::mul(soft, soft)))};
  })[0];
}

class BinaryNetwork : public nn::Layer {
 public:
  BinaryNetwork() {
    hidden =
        std::make_shared<nn::Linear>(nn::Linear::Options{.in = 3, .out = 24, .init_std = 1.0f});
    output =
        std::make_shared<nn::Linear>(nn::Linear::Options{.in = 24, .out = 1, .init_std = 0.2f});
    nn::assign_names(*this);
  }
  Tensor forward(const Tensor& x, nn::BatchContext& context) override {
    return output->forward(hard_step(hidden->forward(x, context)), context);  // (8, 1)
  }

 private:
  nn::Child<nn::Layer> hidden{this, "hidden"}, output{this, "output"};
};

}  // namespace

int main() {
  gt::Device device;
  std::vector<float> bits, parity;
  for (int pattern = 0; pattern < 8; ++pattern) {
    int ones = 0;
    for (int bit = 0; bit < 3; ++bit) {
      const int value = pattern >> bit & 1;
      bits.push_back(static_cast<float>(2 * value - 1));
      ones += value;
    }
    parity.push_back(static_cast<float>(ones % 2));
  }
  const auto x = Tensor::from<float>(device, {8, 3}, bits);
  const auto target = Tensor::from<float>(device, {8, 1}, parity);

  BinaryNetwork network;
  nn::materialize(network, device, {.seed = 1});
  const auto parameters = nn::named_parameters(network);
  gt::optim::AdamW adamw(parameters, {.weight_decay = 0.0f});
  nn::BatchContext context{.training = true};
  for (std::int64_t step = 1; step <= 400; ++step) {
    const Tensor error = ops::sub(network.forward(x, context), target);
    const Tensor loss = ops::mean(ops::mul(error, error));
    gt::backward(loss);
    gt::parallel::collect_gradients(parameters);
    adamw.step({.step = step, .lr = 1e-2f});
    if (step % 100 == 0)
      std::printf("step %lld  loss %.4f\n", static_cast<long long>(step), loss.item());
  }

  const auto y = network.forward(x, context).to_vector<float>();
  int right = 0;
  for (std::size_t i = 0; i < y.size(); ++i) right += (y[i] > 0.5f) == (parity[i] > 0.5f);
  std::printf("%d of 8 patterns have the right parity\n", right);
  return 0;
}
