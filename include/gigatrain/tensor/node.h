// The tape: an eager graph of coarse nodes, each with a hand-written backward. A node lists what it
// saved, so that saved tensors can be counted, offloaded or recomputed. Creation numbers fix the
// order of the backward, hence the order of every gradient sum.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

// Where the gradient of one use of a parameter (or of an input) collects. f32, or f64 for an f64
// tensor. `filled` false: the next gradient overwrites; true: it is added.
class GradLeaf {
 public:
  Tensor gradient;
  bool filled = false;
  std::function<void()> on_ready;  // called when a backward has added its last gradient here
  // Gives `gradient` its memory when it has none; not set: memory of its own.
  std::function<Tensor()> buffer;
  std::shared_ptr<TensorSource> weights;  // of a parameter's use: whence its values; null: its own
  std::string owner;                      // the parameter's name, for messages; empty: an input's

  // Sums of f32 that the whole gradient is going to be added to, one after the other, in the last
  // one's memory, by whoever set this; a single backward makes the gradient. Where it comes in one
  // piece, nothing else need be written: an op that can adds it to the first `added` of them itself
  // (`gradient` is not touched), and what is given away becomes `gradient` as it is, to be read
  // only. The bits are the same.
  std::vector<Tensor> onto;
  std::size_t added = 0;
  bool last = false;     // of this backward, no other gradient is to come
  bool is_only() const;  // what comes now is all of the gradient
  void forget();         // what has come, and the sums
};

// What a node's backward reads and writes.
class Backward {
 public:
  Backward(Node& node, Device& device) : node_(node), device_(device) {}

  Device& device() const { return device_; }
  Stream& stream() const { return device_.stream(); }
  // Gradient of output i; undefined when none reached it.
  const Tensor& dout(int i = 0) const;
  // True for the root of a backward that was called without a gradient: dout is exactly one.
  bool is_one() const;
  bool wanted(int input) const;

  // Where a kernel may write the gradient of `input`: the leaf's own buffer, to be overwritten or
  // added to, or a fresh tensor of the input's dtype. Must be written before backward returns.
  struct Target {
    TensorView view;
    bool accumulate = false;
  };
  Target target(int input);
  // For a kernel that can add a finished gradient to sums, each time with one rounding: at most
  // `most` of them, (g + sums[0]) + sums[1] + ..., to be written to the last. Empty: it is to write
  // a target().
  std::span<const Tensor> sums(int input, std::size_t most);
  // Hands over a finished gradient (which may share memory with others; it is never changed).
  void give(int input, Tensor gradient);
  // The same for one whose memory nobody else has: it may become the leaf's.
  void give_away(int input, Tensor gradient);

 private:
  friend class Engine;
  void commit();
  void check() const;
  Node& node_;
  Device& device_;
  std::vector<std::pair<int, Tensor>> given_;
};

class Node {
 public:
  explicit Node(const char* name);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  virtual void backward(Backward& b) = 0;

  const char* name() const { return name_; }
  std::uint64_t number() const { return number_; }
  // Path of the layer that made it; known only under DetectAnomaly and traces.
  const std::string& layer() const { return layer_; }
  const std::vector<Tensor>& saved() const { return saved_; }

  // Called once by an op: what the backward will read, whence gradients come, whither they go.
  void save(std::span<const Tensor> tensors);
  void save(std::initializer_list<Tensor> tensors) { save(std::span(tensors)); }
  static void connect(std::shared_ptr<Node> node, std::span<const Tensor> inputs,
                      std::span<Tensor* const> outputs);
  static void connect(std::shared_ptr<Node> node, std::initializer_list<Tensor> inputs,
                      std::initializer_list<Tensor*> outputs) {
    connect(std::move(node), std::span(inputs), std::span(outputs));
  }

 protected:
  const Tensor& saved(int i) const { return saved_[static_cast<std::size_t>(i)]; }

 private:
  friend class Backward;
  friend class Engine;
  struct Edge {
    std::shared_ptr<Node> node;
    std::shared_ptr<GradLeaf> leaf;
    int output = 0;
    DType dtype = DType::f32;
    Shape shape;
  };
  void receive(int output, Tensor gradient);

  const char* name_;
  std::string layer_;
  std::uint64_t number_;
  std::uint64_t visited_ = 0;  // the backward that found it
  bool released_ = false;
  bool root_is_one_ = false;
  std::vector<Edge> inputs_;
  std::vector<Tensor> saved_;
  std::vector<Tensor> dout_;
};

// True when the tape is on and a gradient is wanted through any of these.
bool grad_needed(std::span<const Tensor> inputs);
inline bool grad_needed(std::initializer_list<Tensor> inputs) {
  return grad_needed(std::span(inputs));
}

// Switches the tape off in this thread while it lives.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();

 private:
  bool before_;
};

// Runs the tape back from `root`: a scalar, or with the gradient of the root given. Gradients
// collect in the leaves; the graph is freed as it is walked.
void backward(const Tensor& root, const Tensor& gradient = {});

}  // namespace gigatrain
