// Convolution and group norm beyond op_cases.h: chunks, batches, accumulation, options, errors.

#include "gigatrain/ops/conv.h"

#include <catch2/catch.hpp>

#include "gigatrain/nn/conv_layers.h"
#include "gigatrain/tensor/node.h"
#include "ops/conv_products.h"
#include "support/op_harness.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

using Values = std::vector<double>;

struct Results {
  Values y, dx, dw, db;
};

// Of the scalar <y, cotangent>.
Results run_conv2d(Device& device, const Tensor& x_in, const Tensor& weight, const Tensor& bias,
                   const ops::Conv2dOptions& options, bool composed = false) {
  Tensor x = x_in.detach(), w = weight.detach(), b = bias.detach();
  x.require_grad(), w.require_grad(), b.require_grad();
  const Tensor y =
      composed ? ops::composed::conv2d(x, w, b, options) : ops::conv2d(x, w, b, options);
  backward(ops::sum(ops::mul(y, random_tensor(device, y.shape(), "cotangent", y.dtype()))));
  const auto gradient = [](const Tensor& t) { return t.leaf()->gradient.to_vector<double>(); };
  return {y.to_vector<double>(), gradient(x), gradient(w), gradient(b)};
}

Tensor sample_of(const Tensor& x, std::int64_t i) {
  return ops::contiguous(ops::slice(x, 0, i, i + 1));
}

}  // namespace

// Columns of one sample beyond the limit: rows of the output, and channels, go one after the other;
// the same without columns; and chunks of several samples, the last one smaller.
TEST_CASE("conv2d whose columns exceed a chunk", "[unit][ops][conv]") {
  struct Case {
    Shape x, w;
    ops::Conv2dOptions options;
  };
  Device device({.threads = 2});
  for (const Case& c : {Case{{2, 6, 90, 80}, {4, 3, 5, 3}, {.padding = {2, 1}, .groups = 2}},
                        Case{{2, 40, 82, 82}, {7, 40, 1, 1}, {}},
                        Case{{2, 10, 80, 90}, {10, 2, 3, 3}, {.stride = {1, 2}, .groups = 5}},
                        Case{{7, 8, 40, 30}, {5, 8, 3, 3}, {.padding = {1, 1}}}}) {
    INFO(c.x.str());
    const Tensor x = random_tensor(device, c.x, "x"), w = random_tensor(device, c.w, "w"),
                 b = random_tensor(device, {c.w[0]}, "b");
    const Results got = run_conv2d(device, x, w, b, c.options),
                  want = run_conv2d(device, x, w, b, c.options, true);
    CHECK(relative_error(got.y, want.y) < 1e-6);
    CHECK(relative_error(got.dx, want.dx) < 1e-6);
    CHECK(relative_error(got.dw, want.dw) < 1e-5);
    CHECK(relative_error(got.db, want.db) < 1e-5);
  }
}

TEST_CASE("conv2d treats each sample by itself, whatever the batch", "[unit][ops][conv]") {
  Device device({.threads = 2});
  const Tensor x = random_tensor(device, {5, 8, 50, 61}, "x"),
               w = random_tensor(device, {8, 8, 3, 3}, "w"), b = random_tensor(device, {8}, "b");
  for (const std::int64_t groups : {1, 2}) {
    const ops::Conv2dOptions o{.stride = {2, 1}, .padding = {1, 1}, .groups = groups};
    const Tensor weight = ops::contiguous(ops::slice(w, 1, 0, 8 / groups));
    const Tensor y = ops::conv2d(x, weight, b, o);
    for (std::int64_t i = 0; i < 5; ++i)
      CHECK(sample_of(y, i).to_vector<float>() ==
            ops::conv2d(sample_of(x, i), weight, b, o).to_vector<float>());
  }
}

TEST_CASE("conv2d gives the same bits for any number of threads", "[unit][ops][conv]") {
  std::vector<Results> results;
  for (const int threads : {1, 2, 3}) {
    Device device({.threads = threads});
    const Tensor x = random_tensor(device, {3, 5, 17, 19}, "x"),
                 w = random_tensor(device, {7, 5, 3, 3}, "w"), b = random_tensor(device, {7}, "b");
    results.push_back(run_conv2d(device, x, w, b, {.padding = {1, 1}}));
  }
  for (const auto& r : results) {
    CHECK(r.y == results[0].y);
    CHECK(r.dx == results[0].dx);
    CHECK(r.dw == results[0].dw);
    CHECK(r.db == results[0].db);
  }
}

TEST_CASE("conv2d adds to gradients that are there", "[unit][ops][conv]") {
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {2, 3, 6, 5}, "x");
  Tensor w = random_tensor(device, {4, 3, 2, 2}, "w"), b = random_tensor(device, {4}, "b");
  w.require_grad(), b.require_grad();
  backward(ops::sum(ops::conv2d(x, w, b)));
  const Values dw = w.leaf()->gradient.to_vector<double>(),
               db = b.leaf()->gradient.to_vector<double>();
  CHECK(db == Values(4, 2.0 * 5 * 4));
  backward(ops::sum(ops::conv2d(x, w, b)));
  const Values twice = w.leaf()->gradient.to_vector<double>();
  for (std::size_t i = 0; i < dw.size(); ++i) CHECK(twice[i] == Approx(2 * dw[i]));
  CHECK(b.leaf()->gradient.to_vector<double>() == Values(4, 2 * db[0]));
}

TEST_CASE("conv2d of no samples", "[unit][ops][conv]") {
  Device device({.threads = 1});
  Tensor x = Tensor::empty(device, {0, 3, 6, 5}), w = random_tensor(device, {4, 3, 2, 2}, "w"),
         b = random_tensor(device, {4}, "b");
  x.require_grad(), w.require_grad(), b.require_grad();
  const Tensor y = ops::conv2d(x, w, b);
  CHECK(y.shape() == Shape{0, 4, 5, 4});
  backward(ops::sum(y));
  CHECK(w.leaf()->gradient.to_vector<double>() == Values(48, 0.0));
  CHECK(b.leaf()->gradient.to_vector<double>() == Values(4, 0.0));
}

// A weight that an op made: its gradient has its own dtype, not a leaf's f32.
TEST_CASE("conv2d passes a bf16 weight's gradient on", "[unit][ops][conv]") {
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {2, 3, 6, 5}, "x", DType::bf16);
  Tensor w = random_tensor(device, {4, 3, 2, 2}, "w");
  w.require_grad();
  backward(ops::sum(ops::conv2d(x, ops::cast(w, DType::bf16))));
  const Values got = w.leaf()->gradient.to_vector<double>();
  Tensor leaf = ops::cast(w.detach(), DType::bf16);
  leaf.require_grad();
  backward(ops::sum(ops::conv2d(x, leaf)));
  CHECK(relative_error(got, leaf.leaf()->gradient.to_vector<double>()) < 5e-3);
}

TEST_CASE("conv2d refuses what does not fit, and prints both sides", "[unit][ops][conv][errors]") {
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {2, 6, 5, 4}, "x"),
               w = random_tensor(device, {4, 6, 3, 3}, "w"), b = random_tensor(device, {4}, "b");
  const auto options = [&](const ops::Conv2dOptions& o) { ops::conv2d(x, w, b, o); };
  CHECK_THROWS_WITH(ops::conv2d({}, w), Contains("[conv2d] x is undefined"));
  CHECK_THROWS_WITH(ops::conv2d(x, {}), Contains("weight is undefined"));
  CHECK_THROWS_WITH(ops::conv2d(ops::reshape(x, {2, 6, 20}), w),
                    Contains("(N, C, H, W)") && Contains("(2, 6, 20)"));
  CHECK_THROWS_WITH(ops::conv1d(x, w), Contains("[conv1d]") && Contains("(N, C, T)"));
  CHECK_THROWS_WITH(ops::conv2d(x, random_tensor(device, {4, 5, 3, 3}, "w")),
                    Contains("(2, 6, 5, 4)") && Contains("(4, 5, 3, 3)"));
  CHECK_THROWS_WITH(ops::conv2d(x, w, random_tensor(device, {3}, "b")),
                    Contains("bias must have shape (4), got (3)"));
  CHECK_THROWS_WITH(ops::conv2d(x, w, ops::cast(b, DType::bf16)), Contains("bias must be f32"));
  CHECK_THROWS_WITH(ops::conv2d(x, ops::cast(w, DType::bf16)), Contains("one dtype"));
  CHECK_THROWS_WITH(ops::conv2d(ops::cast(x, DType::f64), w), Contains("f64"));
  CHECK_THROWS_WITH(options({.stride = {1, 0}}), Contains("stride") && Contains("got 0"));
  CHECK_THROWS_WITH(options({.padding = {-1, 0}}), Contains("padding") && Contains("got -1"));
  CHECK_THROWS_WITH(options({.dilation = {0, 1}}), Contains("dilation"));
  CHECK_THROWS_WITH(options({.dilation = {1, std::int64_t{1} << 40}}), Contains("2^24"));
  CHECK_THROWS_WITH(options({.groups = 0}), Contains("groups"));
  CHECK_THROWS_WITH(options({.groups = 4}), Contains("4 groups"));
  CHECK_THROWS_WITH(options({.dilation = {3, 1}}), Contains("the result would be empty"));
  CHECK_THROWS_WITH(ops::conv2d(x, Tensor::empty(device, {4, 6, 0, 3})),
                    Contains("the kernel's size"));
  CHECK_THROWS_WITH(ops::conv2d(x, Tensor::empty(device, {0, 6, 3, 3})),
                    Contains("the result would be empty"));
}

TEST_CASE("group_norm refuses what does not fit", "[unit][ops][conv][errors]") {
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {2, 6, 5, 4}, "x"), w = random_tensor(device, {6}, "w");
  CHECK_THROWS_WITH(ops::group_norm(x, 4, w), Contains("(2, 6, 5, 4)") && Contains("4 groups"));
  CHECK_THROWS_WITH(ops::group_norm(x, 0, w), Contains("0 groups"));
  CHECK_THROWS_WITH(ops::group_norm(x, 2, random_tensor(device, {5}, "w")),
                    Contains("weight must have shape (6), got (5)"));
  CHECK_THROWS_WITH(ops::group_norm(x, 2, w, random_tensor(device, {5}, "b")),
                    Contains("bias must have shape (6)"));
  CHECK_THROWS_WITH(ops::group_norm(w, 2, w), Contains("(N, C, ...)"));
  CHECK_THROWS_WITH(ops::group_norm(ops::slice(x, 3, 0, 0), 2, w), Contains("needs a value"));
  CHECK_THROWS_WITH(ops::avg_pool2d(x, 3), Contains("multiples of 3"));
  CHECK_THROWS_WITH(ops::avg_pool2d(w, 2), Contains("(N, C, H, W)"));
  CHECK_THROWS_WITH(ops::upsample_nearest2d(x, 0), Contains("at least 1"));
}

// PyTorch: torch.nn.functional.conv2d(arange(18).view(1, 2, 3, 3), arange(8).view(1, 2, 2, 2)).
TEST_CASE("conv2d does not turn the kernel round", "[unit][ops][conv]") {
  Device device({.threads = 1});
  Values in(18), taps(8);
  for (std::size_t i = 0; i < 18; ++i) in[i] = static_cast<double>(i);
  for (std::size_t i = 0; i < 8; ++i) taps[i] = static_cast<double>(i);
  const Tensor x = tensor_of(device, {1, 2, 3, 3}, in, DType::f32),
               w = tensor_of(device, {1, 2, 2, 2}, taps, DType::f32);
  // 0*0 + 1*1 + 3*2 + 4*3 + 9*4 + 10*5 + 12*6 + 13*7 = 268; each step right or down adds 28 each
  CHECK(ops::conv2d(x, w).to_vector<double>() == Values{268, 296, 352, 380});
}

TEST_CASE("pooling and upsampling", "[unit][ops][conv]") {
  Device device({.threads = 1});
  const Tensor x = tensor_of(device, {1, 1, 2, 4}, Values{1, 2, 3, 4, 5, 6, 7, 8}, DType::f32);
  CHECK(ops::avg_pool2d(x, 2).to_vector<double>() == Values{3.5, 5.5});
  CHECK(ops::upsample_nearest2d(ops::slice(x, 3, 0, 2), 2).to_vector<double>() ==
        Values{1, 1, 2, 2, 1, 1, 2, 2, 5, 5, 6, 6, 5, 5, 6, 6});
}

namespace {

// conv, norm, GELU, downsample, mean, classify.
struct TinyNet : nn::Layer {
  nn::Child<nn::Conv2d> conv1{this, "conv1"}, conv2{this, "conv2"};
  nn::Child<nn::GroupNorm> norm{this, "norm"};
  TinyNet() {
    conv1 = std::make_shared<nn::Conv2d>(
        nn::Conv2d::Options{.in = 1, .out = 8, .conv = {.padding = {1, 1}}});
    norm = std::make_shared<nn::GroupNorm>(2, 8);
    conv2 = std::make_shared<nn::Conv2d>(
        nn::Conv2d::Options{.in = 8, .out = 2, .conv = {.stride = {2, 2}}});
  }
  Tensor forward(const Tensor& x, nn::BatchContext& context) override {
    const Tensor h = ops::gelu(norm->forward(conv1->forward(x, context), context));
    return ops::mean(conv2->forward(h, context), {2, 3});
  }
};

}  // namespace

TEST_CASE("a small convolutional network learns edges", "[unit][nn][conv]") {
  Device device({.threads = 2});
  TinyNet net;
  nn::assign_names(net);
  nn::materialize(net, device);
  CHECK(nn::named_parameters(net)[1]->name() == "conv1.weight");
  // Images of horizontal (+1) and vertical (-1) stripes.
  Values pixels, wanted;
  for (std::int64_t n = 0; n < 8; ++n) {
    for (std::int64_t i = 0; i < 64; ++i)
      pixels.push_back(static_cast<double>(((n % 2 ? i % 8 : i / 8) + n / 2) % 2));
    wanted.push_back(n % 2 ? -1.0 : 1.0), wanted.push_back(n % 2 ? 1.0 : -1.0);
  }
  const Tensor x = tensor_of(device, {8, 1, 8, 8}, pixels, DType::f32),
               y = tensor_of(device, {8, 2, 1, 1}, wanted, DType::f32);
  nn::BatchContext context{.training = true};
  std::vector<double> losses;
  for (int step = 0; step < 60; ++step) {
    const Tensor d = ops::sub(net.forward(x, context), y);
    const Tensor loss = ops::mean(ops::mul(d, d));
    losses.push_back(loss.item());
    backward(loss);
    for (auto* p : nn::named_parameters(net))
      for (const auto& use : p->uses()) {
        GradLeaf& leaf = use->leaf();
        for (std::int64_t i = 0; i < p->value().numel(); ++i)
          p->value().view().as<float>()[i] -= 0.1f * leaf.gradient.view().as<float>()[i];
        leaf.filled = false;
        p->changed();
      }
  }
  CHECK(losses.back() < 0.05 * losses.front());
}

TEST_CASE("conv layers refuse impossible sizes", "[unit][nn][conv][errors]") {
  CHECK_THROWS_WITH(nn::Conv2d({.in = 6, .out = 4, .conv = {.groups = 4}}),
                    Contains("Conv2d") && Contains("in 6, out 4, groups 4"));
  CHECK_THROWS_WITH(nn::Conv2d({.in = 6, .out = 4, .kernel = {3, 0}}), Contains("at least 1"));
  CHECK_THROWS_WITH(nn::Conv1d({.in = 0, .out = 4}), Contains("in 0"));
  CHECK_THROWS_WITH(nn::GroupNorm(3, 8), Contains("groups 3"));
}

TEST_CASE("conv1d layer", "[unit][nn][conv]") {
  Device device({.threads = 1});
  nn::Conv1d conv({.in = 3, .out = 5, .kernel = 4, .conv = {.stride = 2, .padding = 1}});
  nn::assign_names(conv);
  nn::materialize(conv, device);
  nn::BatchContext context;
  const Tensor y = conv.forward(random_tensor(device, {2, 3, 9}, "x"), context);
  CHECK(y.shape() == Shape{2, 5, 4});
}
