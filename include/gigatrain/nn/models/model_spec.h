// The sizes of any language model: what planning and training ask of one before it is built.
// Every configuration struct with resolve(c), parameter_count(c) and make_model(c) beside it turns
// into one, also a user's own:
//
//   gt::nn::ModelSpec spec = gt::nn::LlamaConfig{.n_layer = 4};
//   auto model = spec.make();
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <utility>

#include "gigatrain/nn/models/language_model.h"

namespace gigatrain::nn {

class ModelSpec;

// A struct that describes a model. resolve() fills its zeros in and throws Error(invalid_argument)
// when no such model can be.
template <class C>
concept ModelSizes = !std::same_as<C, ModelSpec> && requires(const C& c) {
  { resolve(c) } -> std::same_as<C>;
  { parameter_count(c) } -> std::same_as<std::int64_t>;
  { make_model(c) } -> std::same_as<std::shared_ptr<LanguageModel>>;
  { c.vocab_size } -> std::convertible_to<std::int64_t>;
  { c.n_positions } -> std::convertible_to<std::int64_t>;
  { c.n_layer } -> std::convertible_to<std::int64_t>;
  { c.n_embd } -> std::convertible_to<std::int64_t>;
};

class ModelSpec {
 public:
  template <ModelSizes C>
  ModelSpec(const C& sizes) {  // NOLINT: a configuration is a spec
    const C c = resolve(sizes);
    vocab_size_ = c.vocab_size;
    max_positions_ = c.n_positions;
    n_layer_ = c.n_layer;
    n_embd_ = c.n_embd;
    parameters_ = parameter_count(c);
    make_ = [c] { return make_model(c); };
  }

  std::int64_t vocab_size() const { return vocab_size_; }
  std::int64_t max_positions() const { return max_positions_; }
  std::int64_t n_layer() const { return n_layer_; }
  std::int64_t n_embd() const { return n_embd_; }
  std::int64_t parameters() const { return parameters_; }  // tied ones once

  // A model without memory: give it some by materialize().
  std::shared_ptr<LanguageModel> make() const { return make_(); }

 private:
  std::int64_t vocab_size_ = 0, max_positions_ = 0, n_layer_ = 0, n_embd_ = 0, parameters_ = 0;
  std::function<std::shared_ptr<LanguageModel>()> make_;
};

}  // namespace gigatrain::nn
