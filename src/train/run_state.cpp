#include "train/run_state.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "tensor/fetched.h"
#include "train/gathered_state.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

LiveState live_state(nn::Model& model, optim::Optimizer& optimizer) {
  return {.model = training_state(nn::named_parameters(model), nullptr),
          .optimizer = optimizer.state()};
}

void describe(CheckpointContents& contents, const nn::Model& model, const Tokenizer* tokenizer,
              TrainState state) {
  contents.config_json = model.hf_config();
  if (tokenizer) contents.tokenizer_json = tokenizer->to_json();
  contents.state = std::move(state);
}

CheckpointContents checkpoint_contents(nn::Model& model, optim::Optimizer& optimizer,
                                       const Tokenizer* tokenizer, TrainState state) {
  const StateDigest digest = state_digest(nn::named_parameters(model), &optimizer);
  CheckpointContents contents;
  const auto views_of = [&](const std::vector<optim::NamedState>& tensors) {
    std::vector<NamedView> views;
    for (const auto& t : tensors)
      views.push_back({t.name, host_view(t.tensor, contents.host_copies)});
    return views;
  };
  const LiveState live = live_state(model, optimizer);
  contents.model = views_of(live.model);
  contents.optimizer = views_of(live.optimizer);
  contents.digests = digest.tensors;
  describe(contents, model, tokenizer, std::move(state));
  contents.state.state_digest = digest.value;
  return contents;
}

CheckpointContents gather_contents(nn::Model& model, optim::Optimizer& optimizer,
                                   const Tokenizer* tokenizer, TrainState state,
                                   Communicator& ranks, int root) {
  CheckpointContents contents;
  const LiveState live = live_state(model, optimizer);
  contents.model = gather_state(live.model, ranks, root, contents.host_copies);
  contents.optimizer = gather_state(live.optimizer, ranks, root, contents.host_copies);
  describe(contents, model, tokenizer, std::move(state));
  return contents;
}

namespace {

const StoredTensor& find(const ModelFiles& files, const std::string& name, const Shape& shape,
                         const std::string& folder) {
  const StoredTensor* stored = files.find(name);
  if (!stored || !(stored->shape == shape))
    throw Error(
        ErrorCode::corrupt,
        fmt::format(
            "{} is a checkpoint of another model or optimizer: '{}' is {} here and {} there",
            folder, name, shape.str(), stored ? stored->shape.str() : "missing"),
        "continue with the configuration that the checkpoint was made with, or choose another "
        "run.name");
  return *stored;
}

}  // namespace

void restore(const Checkpoint& checkpoint, nn::Model& model, optim::Optimizer& optimizer,
             Communicator* ranks) {
  const auto parameters = nn::named_parameters(model);
  const auto state = optimizer.state();
  // Everything is looked up before anything is written.
  for (const auto* p : parameters)
    find(checkpoint.model(), p->name(), p->shape(), checkpoint.folder());
  for (const auto& s : state) find(checkpoint.optimizer(), s.name, s.whole, checkpoint.folder());
  if (checkpoint.model().tensors().size() != parameters.size())
    throw Error(
        ErrorCode::corrupt,
        fmt::format("{} is a checkpoint of another model: it has {} weights, this model {}",
                    checkpoint.folder(), checkpoint.model().tensors().size(), parameters.size()));
  if (checkpoint.optimizer().tensors().size() != state.size())
    throw Error(ErrorCode::corrupt,
                fmt::format("{} is a checkpoint of another optimizer: its state has {} tensors, "
                            "that of '{}' here {}",
                            checkpoint.folder(), checkpoint.optimizer().tensors().size(),
                            optimizer.name(), state.size()),
                "continue with the [optim] section that the checkpoint was made with");
  for (auto* p : parameters) {
    settle_weights(*p);
    load_own(checkpoint.model().at(p->name()), optim::weight_state(*p));
    p->changed();
  }
  for (const auto& s : state) load_own(checkpoint.optimizer().at(s.name), s);
  const std::uint64_t digest = state_digest(parameters, &optimizer, ranks).value;
  if (digest != checkpoint.state().state_digest)
    throw Error(ErrorCode::corrupt,
                fmt::format("{}: the loaded state has digest {:016x}, the checkpoint says {:016x}",
                            checkpoint.folder(), digest, checkpoint.state().state_digest),
                fmt::format("gigatrain ckpt verify {}", checkpoint.folder()));
}

std::vector<std::string> check_resumable(const TrainState& saved, const TrainState& now) {
  std::string differences;
  const auto compare = [&](const char* what, const auto& a, const auto& b) {
    if (a != b)
      differences += fmt::format("\n  {}: the checkpoint has {}, this run {}", what, a, b);
  };
  compare("train.seed", saved.seed, now.seed);
  compare("train.numerics", saved.numerics, now.numerics);
  // Those of "fast" follow the number of ranks.
  if (now.numerics != "fast") compare("train.leaves", saved.leaves, now.leaves);
  compare("digest of the training data", saved.dataset_digest, now.dataset_digest);
  compare("scalar chunk", saved.scalar_chunk, now.scalar_chunk);
  if (!differences.empty())
    throw Error(ErrorCode::invalid_argument,
                "the checkpoint cannot be continued by this run:" + differences,
                "restore these settings, or start a new run with another run.name");
  std::vector<std::string> warnings;
  if (saved.isa != now.isa)
    warnings.push_back(
        fmt::format("the checkpoint was made with {} products, this machine runs {}: "
                    "the run continues, with other bits",
                    saved.isa, now.isa));
  return warnings;
}

}  // namespace gigatrain
