// A checkpoint of two small weights and their AdamW state, for tests.
#pragma once

#include <string>
#include <vector>

#include "gigatrain/train/checkpoint_files.h"
#include "train/temporary_folder.h"

namespace gigatrain::testing {

struct TinyState {
  std::vector<float> weight = {1, 2, 3, 4, 5, 6}, bias = {7, 8};
  std::vector<float> weight_avg = {.1f, .2f, .3f, .4f, .5f, .6f}, bias_avg = {.7f, .8f};

  // Views of the vectors above; values follow the step.
  CheckpointContents at(std::int64_t step) {
    weight[0] = static_cast<float>(step);
    CheckpointContents c;
    c.model = {{"h.weight", {weight.data(), DType::f32, {2, 3}}},
               {"h.bias", {bias.data(), DType::f32, {2}}}};
    c.optimizer = {{"h.weight.exp_avg", {weight_avg.data(), DType::f32, {2, 3}}},
                   {"h.bias.exp_avg", {bias_avg.data(), DType::f32, {2}}}};
    c.config_json = R"({"model_type":"gpt2"})";
    c.tokenizer_json = "{}";
    c.state.step = step;
    c.state.tokens = step * 64;
    c.state.seed = 0xfedcba9876543210u;
    c.state.config = "[train]\nsteps = 9\n";
    return c;
  }
};

// The first weight, by which a state's step is known.
inline float first_weight(const Checkpoint& checkpoint) {
  std::vector<float> w(6);
  copy_tensor(checkpoint.model().at("h.weight"), {w.data(), DType::f32, {2, 3}});
  return w[0];
}

}  // namespace gigatrain::testing
