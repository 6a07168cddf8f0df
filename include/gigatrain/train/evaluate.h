// The loss on held-out data, each sample once: every window of a text, every row of a table.
//
//   gt::evaluate(*model, device, test, {.micro_batch = 32}).loss
//   gt::accuracy(*model, device, test, {.micro_batch = 32})
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/nn/model.h"
#include "gigatrain/train/batch_source.h"

namespace gigatrain {

struct Evaluation {
  double loss = 0;           // mean over the loss terms; of text: nats a token
  std::int64_t terms = 0;    // predicted tokens, or samples
  std::int64_t samples = 0;  // seen
};

struct EvaluateOptions {
  std::int64_t micro_batch = 1;  // samples at a time
  std::int64_t batches = 0;      // at most so many micro-batches, spread evenly; 0: all
  // For a metric: called with each micro-batch and the model's predict() of it.
  std::function<void(const nn::Batch& batch, const Tensor& prediction)> on_batch{};
  // Who share the micro-batches, each calling this: the same result on every one, and on one alone.
  // on_batch sees those of its own rank.
  Communicator* ranks = nullptr;
};

// Dropout is off.
Evaluation evaluate(nn::Model& model, Device& device, const BatchSource& data,
                    const EvaluateOptions& options);
Evaluation evaluate(nn::Model& model, Device& device, const BatchSource& data,
                    std::int64_t micro_batch, std::int64_t batches = 0);

// The fraction of labels, -1 not counted, that are the largest of their row of predict()'s logits.
double accuracy(nn::Model& model, Device& device, const BatchSource& data,
                const EvaluateOptions& options, const std::string& label = "label");

}  // namespace gigatrain
