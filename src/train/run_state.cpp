#include "train/run_state.h"

#include <fmt/format.h>

#include <utility>

#include "gigatrain/base/error.h"
#include "tensor/fetched.h"
#include "train/gathered_state.h"

namespace gigatrain {

LiveState live_state(nn::Model& model, optim::Optimizer& optimizer) {
  return {.model = training_state(nn::named_parameters(model), nullptr),
          .optimizer = optimizer.state()};
}

CheckpointTexts texts_of(const nn::Model& model, const Tokenizer* tokenizer, TrainState state) {
  return {model.hf_config(), tokenizer ? tokenizer->to_json() : "", std::move(state)};
}

namespace {

void require_tensor(const Checkpoint& checkpoint, const optim::NamedState& s) {
  const CheckpointTensor* stored = checkpoint.find(s.name);
  if (stored && stored->shape == s.whole) return;
  throw Error(
      ErrorCode::corrupt,
      fmt::format("{} is a checkpoint of another model or optimizer: '{}' is {} here and {} there",
                  checkpoint.folder(), s.name, s.whole.str(),
                  stored ? stored->shape.str() : "missing"),
      "continue with the configuration that the checkpoint was made with, or choose another "
      "run.name");
}

// Everything is looked up before anything is written.
void require_match(const Checkpoint& checkpoint, const LiveState& live,
                   const std::string& optimizer) {
  for (const auto* part : {&live.model, &live.optimizer})
    for (const auto& s : *part) require_tensor(checkpoint, s);
  std::size_t weights = 0;
  for (const auto& [name, tensor] : checkpoint.tensors()) weights += tensor.weight ? 1 : 0;
  const std::size_t states = checkpoint.tensors().size() - weights;
  if (weights != live.model.size())
    throw Error(ErrorCode::corrupt,
                fmt::format("{} is a checkpoint of another model: it has {} weights, this model {}",
                            checkpoint.folder(), weights, live.model.size()));
  if (states != live.optimizer.size())
    throw Error(ErrorCode::corrupt,
                fmt::format("{} is a checkpoint of another optimizer: its state has {} tensors, "
                            "that of '{}' here {}",
                            checkpoint.folder(), states, optimizer, live.optimizer.size()),
                "continue with the [optim] section that the checkpoint was made with");
}

// What is own of a tensor; only those bytes of the files are read.
void read_own(const CheckpointTensor& from, const optim::NamedState& to) {
  const Tensor& tensor = to.tensor;
  if (tensor.device().host_memory()) return from.read(to.begin, tensor.view());
  std::vector<std::byte> staging(static_cast<std::size_t>(tensor.view().bytes()));
  from.read(to.begin, TensorView(staging.data(), tensor.dtype(), {tensor.numel()}));
  tensor.device().upload(tensor.view().data, staging.data(), tensor.view().bytes());
}

}  // namespace

void restore(const Checkpoint& checkpoint, nn::Model& model, optim::Optimizer& optimizer,
             Communicator* ranks) {
  const auto parameters = nn::named_parameters(model);
  const LiveState live = live_state(model, optimizer);
  require_match(checkpoint, live, optimizer.name());
  for (const auto* p : parameters) settle_weights(*p);
  for (const auto* part : {&live.model, &live.optimizer})
    for (const auto& s : *part) read_own(checkpoint.tensors().at(s.name), s);
  for (auto* p : parameters) p->changed();
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
