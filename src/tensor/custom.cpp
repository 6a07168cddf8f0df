#include "gigatrain/tensor/custom.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain {

namespace {

struct Expected {
  Device* device = nullptr;
  DType dtype = DType::f32;
  Shape shape;
};

struct NodeName {
  std::string text;  // a base, so that it is there before Node reads it
};

class CustomNode : NodeName, public Node {
 public:
  CustomNode(std::string name, const std::vector<Tensor>& inputs, std::size_t outputs,
             CustomBackward backward)
      : NodeName{std::move(name)},
        Node(text.c_str()),
        outputs_(outputs),
        backward_(std::move(backward)) {
    for (const auto& x : inputs)
      inputs_.push_back(x ? Expected{&x.device(), x.dtype(), x.shape()} : Expected{});
  }

  void backward(Backward& b) override {
    CustomGradients g{.saved = saved(), .dout = {}, .wanted = {}};
    for (std::size_t i = 0; i < outputs_; ++i) g.dout.push_back(b.dout(static_cast<int>(i)));
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      g.wanted.push_back(b.wanted(static_cast<int>(i)));
    // Moved out, since what it captures may hold on to this node.
    const CustomBackward run = std::exchange(backward_, nullptr);
    const std::vector<Tensor> gradients = run(g);
    check_count(gradients.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (g.wanted[i]) check(i, gradients[i]);
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (g.wanted[i]) b.give(static_cast<int>(i), gradients[i]);
  }

 private:
  void check_count(std::size_t count) const {
    if (count == inputs_.size()) return;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the backward of '{}' must return {} gradients, one for each input, "
                            "got {}",
                            text, inputs_.size(), count),
                "return None for an input that needs no gradient");
  }

  void check(std::size_t i, const Tensor& gradient) const {
    const Expected& input = inputs_[i];
    const auto expected = fmt::format("gradient {} of '{}' must be {} of shape {}", i, text,
                                      gigatrain::name(input.dtype), input.shape.str());
    if (!gradient)
      throw Error(ErrorCode::invalid_argument, expected + ", got None: its input wants a gradient",
                  "return zeros, or detach() the input before the call");
    if (gradient.dtype() != input.dtype || !(gradient.shape() == input.shape))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}, got {} of shape {}", expected, gigatrain::name(gradient.dtype()),
                              gradient.shape().str()));
    if (&gradient.device() != input.device)
      throw Error(ErrorCode::invalid_argument,
                  expected + ", on the device of its input; it is on another");
  }

  std::size_t outputs_;
  CustomBackward backward_;
  std::vector<Expected> inputs_;
};

}  // namespace

std::vector<Tensor> custom_op(std::string name, const std::vector<Tensor>& inputs,
                              const std::vector<Tensor>& outputs, const std::vector<Tensor>& saved,
                              CustomBackward backward) {
  std::vector<Tensor> out;
  for (const auto& y : outputs) {
    if (!y)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("output {} of '{}' is undefined", out.size(), name));
    out.push_back(y.detach());  // an input handed through is not to become its own output
  }
  if (!grad_needed(inputs)) return out;
  auto node =
      std::make_shared<CustomNode>(std::move(name), inputs, outputs.size(), std::move(backward));
  node->save(saved);
  std::vector<Tensor*> pointers;
  for (auto& y : out) pointers.push_back(&y);
  Node::connect(node, inputs, pointers);
  return out;
}

}  // namespace gigatrain
