#include "gigatrain/train/state_file.h"

#include <fmt/format.h>

#include <charconv>

#include "gigatrain/base/error.h"
#include "gigatrain/train/safetensors.h"
#include "gigatrain/train/state_digest.h"
#include "tensor/fetched.h"
#include "train/gathered_state.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

namespace {

using Tensors = std::vector<optim::NamedState>;

std::vector<NamedView> views_of(const Tensors& tensors, HostCopies& keep) {
  std::vector<NamedView> views;
  for (const auto& t : tensors) views.push_back({t.name, host_view(t.tensor, keep)});
  return views;
}

const std::string& text_of(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end())
    throw Error(ErrorCode::corrupt,
                fmt::format("{} is no training state: its metadata lack '{}'", file.path(), key),
                "name a file that save_state() has written");
  return found->second;
}

std::int64_t step_of(const SafetensorsFile& file) {
  const std::string& text = text_of(file, "step");
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc() || end != text.data() + text.size() || step < 0)
    throw Error(ErrorCode::corrupt, fmt::format("{}: its metadata give no step", file.path()));
  return step;
}

void require_match(const SafetensorsFile& file, const Tensors& tensors) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::corrupt,
                fmt::format("{} is the state of another model or optimizer: {}", file.path(), what),
                "make the model and the optimizer as they were when it was saved");
  };
  for (const auto& t : tensors) {
    const StoredTensor* stored = file.find(t.name);
    if (!stored || !(stored->shape == t.whole))
      refuse(fmt::format("'{}' is {} here and {} there", t.name, t.whole.str(),
                         stored ? stored->shape.str() : "missing"));
  }
  if (file.tensors().size() != tensors.size())
    refuse(fmt::format("it has {} tensors, here are {}", file.tensors().size(), tensors.size()));
}

}  // namespace

void save_state(const std::string& path, nn::Layer& model, optim::Optimizer& optimizer,
                const SaveStateOptions& o) {
  const auto parameters = nn::named_parameters(model);
  const Tensors tensors = training_state(parameters, &optimizer);
  const std::string digest = state_digest(parameters, &optimizer, o.ranks).hex();
  HostCopies keep;
  const auto views =
      o.ranks ? gather_state(tensors, *o.ranks, /*root=*/0, keep) : views_of(tensors, keep);
  if (!o.ranks || o.ranks->rank() == 0)
    write_safetensors(path, views, {{"step", std::to_string(o.step)}, {"state_digest", digest}});
  if (o.ranks) o.ranks->barrier().wait();
}

std::int64_t load_state(const std::string& path, nn::Layer& model, optim::Optimizer& optimizer,
                        Communicator* ranks) {
  const auto file = SafetensorsFile::open(path);
  const auto parameters = nn::named_parameters(model);
  const Tensors tensors = training_state(parameters, &optimizer);
  require_match(file, tensors);
  const std::int64_t step = step_of(file);
  const std::string& expected = text_of(file, "state_digest");
  for (const auto* p : parameters) settle_weights(*p);
  for (const auto& t : tensors) load_own(file.at(t.name), t);
  for (auto* p : parameters) p->changed();
  const std::string digest = state_digest(parameters, &optimizer, ranks).hex();
  if (digest != expected)
    throw Error(ErrorCode::corrupt, fmt::format("{}: the loaded state has digest {}, saved was {}",
                                                path, digest, expected));
  return step;
}

}  // namespace gigatrain
