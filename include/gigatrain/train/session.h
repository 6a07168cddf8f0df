// What a configuration describes, built piece by piece: tokenizer, model, data. The command and the
// trainer share these; nothing here trains.
#pragma once

#include <memory>
#include <string>

#include "gigatrain/nn/models/model_spec.h"
#include "gigatrain/optim/make_optimizer.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/gradient_step.h"
#include "gigatrain/train/hugging_face.h"
#include "gigatrain/train/token_source.h"
#include "gigatrain/train/tokenizer.h"
#include "gigatrain/train/trainer.h"

namespace gigatrain {

// Null for data.tokenizer = "none": the data are ids already, and no text is shown.
std::shared_ptr<const Tokenizer> make_tokenizer(const Config& config);

// Sizes of the model: from [model], or from config.json of model.from. n_positions is train.seq_len
// for a new model. Throws if the vocabulary is smaller than the tokenizer's.
nn::ModelSpec model_spec(const Config& config, const Tokenizer* tokenizer);

// ranks: of data parallelism; Error(invalid_argument) if there are more than leaves
// of any step. With
// train.numerics = "fast" a rank's leaves are one, unless train.batch_ramp counts leaves.
BatchShape batch_shape(const Config& config, std::int64_t parameters, int ranks = 1);
// How the ranks share model and optimizer.
parallel::DataParallelOptions sharing_options(const Config& config, const BatchShape& batch);
DType compute_dtype(const Config& config);  // f32, bf16 or f16
nn::MaterializeOptions weight_options(const Config& config);
optim::OptimizerOptions optimizer_options(const Config& config);
// Some checkpoints of the run are written while it goes on, from a copy of the state. The last one
// is not.
bool saves_in_background(const Config& config);
TrainerOptions trainer_options(const Config& config, const BatchShape& batch);

// Initial values from train.seed, or those of model.from, whose files are checked here.
nn::MaterializeOptions weights_of(const Config& config, nn::LanguageModel& model);
// A model with weights on the device: initial values from train.seed, or those of model.from.
std::shared_ptr<nn::LanguageModel> build_model(Device& device, const Config& config,
                                               const nn::ModelSpec& spec);

enum class Split { train, val };
TokenSource open_data(const Config& config, Split split, const Tokenizer* tokenizer,
                      std::int64_t vocab_size, std::int64_t global_batch);

// A trained model: a run folder, a ckpt/ folder or a step of it, or a Hugging Face folder.
struct LoadedModel {
  std::shared_ptr<nn::LanguageModel> model;
  std::shared_ptr<const Tokenizer> tokenizer;  // null: unknown
  Config config;                               // of the run; defaults for a Hugging Face folder
  std::string folder;                          // what was opened
  std::int64_t step = -1;                      // of a checkpoint; -1: a Hugging Face folder
  WeightDTypes dtypes;                         // of the stored weights
};
LoadedModel load_model(Device& device, const std::string& path, DType compute = DType::f32);

}  // namespace gigatrain
