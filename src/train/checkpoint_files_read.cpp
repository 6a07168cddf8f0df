// Opening a checkpoint. Nothing is believed before it is checked against the
// manifest, and nothing is ever executed.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

constexpr std::int64_t kMaxText = 1 << 30;

[[noreturn]] void fail(const std::string& folder, const std::string& why) {
  throw Error(ErrorCode::corrupt, fmt::format("checkpoint '{}': {}", folder, why),
              "use another checkpoint of the run: `gigatrain ckpt ls` lists them");
}

std::vector<std::string> files_named(const Manifest& manifest, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& [name, file] : manifest.files)
    if (name.starts_with(prefix) && name.ends_with(".safetensors")) names.push_back(name);
  return names;
}

void require_listed(const Manifest& manifest, const std::string& folder, const char* name) {
  if (!manifest.files.count(name)) fail(folder, fmt::format("the manifest must list '{}'", name));
}

// The tensors of the manifest, each slice found in its file; nothing stands in the files besides.
class TensorIndex {
 public:
  TensorIndex(const Manifest& manifest, std::string folder)
      : manifest_(manifest), folder_(std::move(folder)) {}

  void add(const std::string& file, const std::map<std::string, StoredTensor>& tensors) {
    for (const auto& [name, stored] : tensors) add_one(file, stored);
  }

  std::map<std::string, CheckpointTensor> finish() {
    for (const auto& [name, record] : manifest_.tensors)
      if (!covers(record) || tensors_[name].slices.size() != record.slices.size())
        refuse(name, "is not whole in the files");
    for (auto& [name, tensor] : tensors_)
      std::sort(tensor.slices.begin(), tensor.slices.end(),
                [](const auto& a, const auto& b) { return a.begin < b.begin; });
    return std::move(tensors_);
  }

 private:
  void add_one(const std::string& file, const StoredTensor& stored) {
    const auto found = manifest_.tensors.find(stored.name);
    if (found == manifest_.tensors.end()) refuse(stored.name, "is not in the manifest");
    const Manifest::Record& record = found->second;
    const auto slice = std::find_if(record.slices.begin(), record.slices.end(),
                                    [&](const auto& s) { return s.file == file; });
    if (slice == record.slices.end()) refuse(stored.name, "does not stand where the manifest says");
    const bool whole = slice->begin == 0 && slice->end == record.shape.numel();
    const bool fits =
        stored.shape == record.shape ? whole : stored.shape == Shape{slice->end - slice->begin};
    if (record.dtype != stored.dtype || !fits)
      refuse(stored.name, fmt::format("is {} {}, the manifest says {} {}, elements {} to {}",
                                      stored.dtype, stored.shape.str(), printable(record.dtype),
                                      record.shape.str(), slice->begin, slice->end));
    CheckpointTensor& tensor = tensors_[stored.name];
    tensor.name = stored.name;
    tensor.dtype = record.dtype;
    tensor.shape = record.shape;
    tensor.digest = record.digest;
    tensor.weight = file.starts_with(kModelFiles);
    tensor.slices.push_back({stored, slice->begin, slice->digest});
    tensor.slices.back().stored.shape = {stored.shape.numel()};
  }

  [[noreturn]] void refuse(const std::string& name, const std::string& why) const {
    fail(folder_, fmt::format("tensor '{}' {}", printable(name), why));
  }

  const Manifest& manifest_;
  std::string folder_;
  std::map<std::string, CheckpointTensor> tensors_;
};

// Contents of large files by one of the readers each; texts are small: every reader hashes them.
bool hashes(const CheckpointOpenOptions& options, const std::string& file, int number) {
  if (!file.ends_with(".safetensors")) return true;
  return options.check_sha256 && number % options.readers == options.reader;
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& path, const CheckpointOpenOptions& options) {
  Checkpoint c;
  c.folder_ = resolve_checkpoint(path);
  const Manifest manifest = read_manifest(c.folder_);
  c.ranks_ = manifest.ranks;
  for (const char* name : {"config.json", "state.json"}) require_listed(manifest, c.folder_, name);
  int number = 0;
  for (const auto& [name, file] : manifest.files) {
    check_file(c.folder_, name, manifest, hashes(options, name, number++));
    c.bytes_ += file.bytes;
  }
  const std::string state_path = c.folder_ + "/state.json";
  c.state_ = state_from_json(read_small_file(state_path, kMaxText), state_path);
  if (c.state_.step != manifest.step)
    fail(c.folder_, fmt::format("state.json is of step {}, the manifest of step {}", c.state_.step,
                                manifest.step));
  c.config_json_ = read_small_file(c.folder_ + "/config.json", kMaxText);
  if (manifest.files.count("tokenizer.json"))
    c.tokenizer_json_ = read_small_file(c.folder_ + "/tokenizer.json", kMaxText);
  TensorIndex index(manifest, c.folder_);
  c.model_ = ModelFiles::open(c.folder_, files_named(manifest, kModelFiles));
  for (const auto& [name, tensor] : c.model_.tensors())
    index.add(tensor.file.substr(c.folder_.size() + 1), {{name, tensor}});
  for (const auto& name : files_named(manifest, kOptimizerFiles)) {
    c.optimizer_.push_back(ModelFiles::open(c.folder_, {name}));
    index.add(name, c.optimizer_.back().tensors());
  }
  c.tensors_ = index.finish();
  return c;
}

const CheckpointTensor* Checkpoint::find(const std::string& name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace gigatrain
