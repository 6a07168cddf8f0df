#include "gigatrain/tensor/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/anomaly.h"
#include "kernels/elementwise.h"
#include "tensor/recomputed.h"

namespace gigatrain {

namespace {

// Per thread, since a rank is a thread: the order of creation within a rank is all that matters.
thread_local std::uint64_t nodes_created = 0;
thread_local std::uint64_t backwards_run = 0;
thread_local bool recording = true;

DType gradient_dtype(DType dtype) {
  return dtype == DType::f64 ? DType::f64 : DType::f32;
}

void give_buffer(GradLeaf& leaf, Device& device, const Shape& shape, DType dtype) {
  if (leaf.gradient) return;
  leaf.gradient = leaf.buffer ? leaf.buffer()
                              : Tensor::empty(device, shape, gradient_dtype(dtype),
                                              {Purpose::gradients, "leaf"});
}

// A fresh a + b: either may be shared with others, so neither is changed.
Tensor sum_of(const Tensor& a, const Tensor& b) {
  Tensor y = Tensor::empty(a.device(), a.shape(), a.dtype(), {Purpose::activations, "grad.sum"});
  a.stream().submit(kernels::Add{.a = a.view(), .b = b.view(), .y = y.view()});
  return y;
}

// own: the memory is nobody else's.
void add_to_leaf(GradLeaf& leaf, const Tensor& gradient, bool own) {
  const DType dtype = gradient_dtype(gradient.dtype());
  const bool takes = leaf.is_only() || (own && !leaf.filled && !leaf.buffer);
  if (takes && gradient.dtype() == dtype && gradient.view().is_contiguous()) {
    leaf.gradient = gradient;
    leaf.filled = true;
    return;
  }
  Device& device = gradient.device();
  give_buffer(leaf, device, gradient.shape(), gradient.dtype());
  if (!leaf.filled) {
    device.stream().submit(kernels::Copy{.x = gradient.view(), .y = leaf.gradient.view()});
  } else {
    Tensor g = gradient;
    if (g.dtype() != dtype) {
      g = Tensor::empty(device, g.shape(), dtype, {Purpose::workspace, "grad.cast"});
      device.stream().submit(kernels::Copy{.x = gradient.view(), .y = g.view()});
    }
    const auto& total = leaf.gradient.view();
    device.stream().submit(kernels::Add{.a = total, .b = g.view(), .y = total});
  }
  leaf.filled = true;
}

}  // namespace

// Anomaly checks look at each leaf's gradient.
bool GradLeaf::is_only() const {
  return !onto.empty() && last && !filled && !diagnostics().anomaly;
}

void GradLeaf::forget() {
  gradient = {}, filled = false;
  onto.clear(), added = 0;
}

Node::Node(const char* name) : name_(name), number_(++nodes_created) {
  if (const Diagnostics& d = diagnostics(); d.wants_layers() && d.layer) layer_ = *d.layer;
}
Node::~Node() {
  // A long chain of nodes must not be freed by a recursion as deep as the chain.
  std::vector<std::shared_ptr<Node>> chain;
  const auto take = [&chain](Node& node) {
    for (auto& edge : node.inputs_)
      if (edge.node && edge.node.use_count() == 1) chain.push_back(std::move(edge.node));
  };
  take(*this);
  while (!chain.empty()) {
    const std::shared_ptr<Node> node = std::move(chain.back());
    chain.pop_back();
    take(*node);
  }
}

void Node::save(std::span<const Tensor> tensors) {
  // Without their place on the tape: a node that saves its own output would never be freed.
  saved_.reserve(tensors.size());
  for (const auto& tensor : tensors) saved_.push_back(to_save(tensor));
}

void Node::connect(std::shared_ptr<Node> node, std::span<const Tensor> inputs,
                   std::span<Tensor* const> outputs) {
  node->inputs_.reserve(inputs.size());
  for (const auto& input : inputs) {
    Edge edge;
    if (input) {
      edge = {.node = input.node(),
              .leaf = input.leaf(),
              .output = input.output_index(),
              .dtype = input.dtype(),
              .shape = input.shape()};
    }
    node->inputs_.push_back(std::move(edge));
  }
  node->dout_.resize(outputs.size());
  int index = 0;
  for (auto* output : outputs) {
    output->impl_->output = index++;
    output->impl_->node = node;
  }
  if (diagnostics().anomaly) anomaly::check_outputs(*node, inputs, outputs);
}

void Node::receive(int output, Tensor gradient) {
  Tensor& slot = dout_[static_cast<std::size_t>(output)];
  if (!slot) {
    slot = std::move(gradient);
    return;
  }
  slot = sum_of(slot, gradient);
  if (diagnostics().anomaly) anomaly::check_sum(*this, slot);
}

const Tensor& Backward::dout(int i) const {
  return node_.dout_[static_cast<std::size_t>(i)];
}
bool Backward::is_one() const {
  return node_.root_is_one_;
}

bool Backward::wanted(int input) const {
  const auto& edge = node_.inputs_[static_cast<std::size_t>(input)];
  return edge.node || edge.leaf;
}

Backward::Target Backward::target(int input) {
  auto& edge = node_.inputs_[static_cast<std::size_t>(input)];
  if (edge.leaf) {
    GradLeaf& leaf = *edge.leaf;
    give_buffer(leaf, device_, edge.shape, edge.dtype);
    return {leaf.gradient.view(), std::exchange(leaf.filled, true)};
  }
  Tensor fresh = Tensor::empty(device_, edge.shape, edge.dtype, {Purpose::activations, "grad"});
  given_.emplace_back(input, fresh);
  return {fresh.view(), false};
}

std::span<const Tensor> Backward::sums(int input, std::size_t most) {
  auto& edge = node_.inputs_[static_cast<std::size_t>(input)];
  if (!edge.leaf || !edge.leaf->is_only()) return {};
  edge.leaf->added = std::min(most, edge.leaf->onto.size());
  return std::span(edge.leaf->onto).first(edge.leaf->added);
}

void Backward::give(int input, Tensor gradient) {
  auto& edge = node_.inputs_[static_cast<std::size_t>(input)];
  if (edge.leaf)
    add_to_leaf(*edge.leaf, gradient, false);
  else if (edge.node)
    given_.emplace_back(input, std::move(gradient));
}

void Backward::give_away(int input, Tensor gradient) {
  auto& edge = node_.inputs_[static_cast<std::size_t>(input)];
  if (edge.leaf) return add_to_leaf(*edge.leaf, gradient, true);
  give(input, std::move(gradient));
}

// Under DetectAnomaly. A leaf's buffer holds the sum so far.
void Backward::check() const {
  for (std::size_t i = 0; i < node_.inputs_.size(); ++i)
    if (const auto& leaf = node_.inputs_[i].leaf; leaf && leaf->filled)
      anomaly::check_gradient(node_, static_cast<int>(i), leaf->owner, leaf->gradient);
  for (const auto& [input, gradient] : given_) anomaly::check_gradient(node_, input, {}, gradient);
}

void Backward::commit() {
  for (auto& [input, gradient] : given_) {
    auto& edge = node_.inputs_[static_cast<std::size_t>(input)];
    edge.node->receive(edge.output, std::move(gradient));
  }
}

bool grad_needed(std::span<const Tensor> inputs) {
  return recording && std::any_of(inputs.begin(), inputs.end(),
                                  [](const Tensor& t) { return t.requires_grad(); });
}

NoGrad::NoGrad() : before_(std::exchange(recording, false)) {}
NoGrad::~NoGrad() {
  recording = before_;
}

class Engine {
 public:
  void run(const Tensor& root, const Tensor& gradient) {
    start(root, gradient);
    collect(root.node());
    // Later nodes only read from earlier ones, so descending creation numbers are a valid order.
    std::sort(nodes_.begin(), nodes_.end(),
              [](const auto& a, const auto& b) { return a->number() > b->number(); });
    for (auto& node : nodes_) {
      step(*node, root.device());
      node.reset();
    }
  }

 private:
  static void start(const Tensor& root, const Tensor& gradient) {
    if (!root || !root.node())
      throw Error(ErrorCode::invalid_argument,
                  "backward() needs a tensor that an op made while the tape was on",
                  "check that a parameter takes part and that no NoGrad is alive");
    if (!gradient && root.numel() != 1)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("backward() without a gradient needs a scalar, got shape {}",
                              root.shape().str()),
                  "reduce the tensor with sum() or mean(), or pass its gradient");
    if (gradient && (!(gradient.shape() == root.shape()) || gradient.dtype() != root.dtype()))
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("the gradient of a {} tensor of shape {} must look like it, got {} {}",
                      name(root.dtype()), root.shape().str(), name(gradient.dtype()),
                      gradient.shape().str()));
    Node& node = *root.node();
    require_kept(node);
    node.root_is_one_ = !gradient;
    node.receive(
        root.output_index(),
        gradient ? gradient : Tensor::full(root.device(), root.shape(), 1.0, root.dtype()));
  }

  static std::string title(const Node& node) {
    return node.layer().empty() ? node.name() : fmt::format("{} of {}", node.name(), node.layer());
  }

  static void require_kept(const Node& node) {
    if (!node.released_) return;
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("backward() reached '{}', whose saved tensors an earlier backward() freed",
                    node.name()),
        "run the forward again");
  }

  void collect(const std::shared_ptr<Node>& root) {
    const std::uint64_t epoch = ++backwards_run;
    root->visited_ = epoch;
    nodes_.push_back(root);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const auto node = nodes_[i];
      require_kept(*node);
      for (const auto& edge : node->inputs_) {
        if (edge.leaf) ++pending(*edge.leaf);
        if (!edge.node || edge.node->visited_ == epoch) continue;
        edge.node->visited_ = epoch;
        nodes_.push_back(edge.node);
      }
    }
  }

  void step(Node& node, Device& device) {
    const bool reached = std::any_of(node.dout_.begin(), node.dout_.end(),
                                     [](const Tensor& t) { return static_cast<bool>(t); });
    if (reached) {
      const Scope scope("backward", diagnostics().observer ? title(node) : std::string());
      Backward b(node, device);
      for (const auto& edge : node.inputs_)
        if (edge.leaf) edge.leaf->last = pending(*edge.leaf) == 1;
      try {
        for (auto& tensor : node.saved_) tensor = saved_value(tensor);
        node.backward(b);
      } catch (Error& e) {
        e.add_frame(fmt::format("while running the backward of '{}'", node.name()));
        throw;
      }
      if (diagnostics().anomaly) b.check();
      b.commit();
    }
    std::vector<std::shared_ptr<GradLeaf>> done;
    for (const auto& edge : node.inputs_)
      if (edge.leaf && --pending(*edge.leaf) == 0) done.push_back(edge.leaf);
    node.released_ = true;
    node.saved_.clear();
    node.dout_.clear();
    node.inputs_.clear();
    for (const auto& leaf : done)
      if (leaf->on_ready) leaf->on_ready();
  }

  // How many gradients this leaf still waits for. Sorted by address, used for look-up only.
  int& pending(GradLeaf& leaf) {
    const auto at = std::lower_bound(leaves_.begin(), leaves_.end(), &leaf,
                                     [](const auto& a, const GradLeaf* b) { return a.first < b; });
    if (at != leaves_.end() && at->first == &leaf) return at->second;
    return leaves_.insert(at, {&leaf, 0})->second;
  }

  std::vector<std::shared_ptr<Node>> nodes_;
  std::vector<std::pair<const GradLeaf*, int>> leaves_;
};

void backward(const Tensor& root, const Tensor& gradient) {
  Engine().run(root, gradient);
}

}  // namespace gigatrain
