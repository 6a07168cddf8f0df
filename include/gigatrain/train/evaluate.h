// Loss on held-out text: every window in order, each token counted once.
#pragma once

#include <cstdint>

#include "gigatrain/nn/models/language_model.h"
#include "gigatrain/train/token_source.h"

namespace gigatrain {

struct Evaluation {
  double loss = 0;          // nats a token
  std::int64_t tokens = 0;  // predicted
};

// micro_batch windows at a time; at most `batches` micro-batches, spread evenly over the data
// (0: all of it). Dropout is off.
Evaluation evaluate(nn::LanguageModel& model, Device& device, const TokenSource& data,
                    std::int64_t micro_batch, std::int64_t batches = 0);

}  // namespace gigatrain
