// Opening, verifying and listing checkpoints. Nothing is believed before it is checked against the
// manifest, and nothing is ever executed.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <utility>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "safetensors_internal.h"
#include "strict_json.h"
#include "together.h"

namespace gigatrain {
namespace {

constexpr std::int64_t kMaxText = 1 << 30;
constexpr const char* kModelFiles = "model-";

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
  for (const auto& name : files_named(manifest, "optim-")) {
    c.optimizer_.push_back(SafetensorsFile::open(c.folder_ + "/" + name));
    index.add(name, c.optimizer_.back().tensors());
  }
  c.tensors_ = index.finish();
  return c;
}

const CheckpointTensor* Checkpoint::find(const std::string& name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

namespace {

void attempt(CheckpointReport& report, const std::function<void()>& check) {
  try {
    check();
  } catch (const Error& e) {
    report.problems.push_back(e.message());
  }
}

// Digests of what the files hold, against those in the manifest and in state.json.
void verify_digests(const Checkpoint& c, CheckpointReport& report) {
  report.state_digest = c.state().state_digest;
  std::uint64_t state = 0;
  for (const auto& [name, tensor] : c.tensors()) {
    std::uint64_t digest = 0;
    for (const auto& slice : tensor.slices)
      digest = digest_add(digest, digest_of(slice.stored, static_cast<std::uint64_t>(slice.begin)));
    if (digest != tensor.digest)
      report.problems.push_back(fmt::format("tensor '{}' has digest {}, the manifest says {}",
                                            printable(name), digest_hex(digest),
                                            digest_hex(tensor.digest)));
    state = digest_add(state, digest_named(name, digest));
  }
  if (state != report.state_digest)
    report.problems.push_back(fmt::format("the state's digest is {}, state.json says {}",
                                          digest_hex(state), digest_hex(report.state_digest)));
}

}  // namespace

CheckpointReport verify_checkpoint(const std::string& path) {
  CheckpointReport report;
  report.folder = resolve_checkpoint(path);
  Manifest manifest;
  attempt(report, [&] { manifest = read_manifest(report.folder); });
  report.step = manifest.step;
  report.tensors = static_cast<std::int64_t>(manifest.tensors.size());
  for (const auto& entry : manifest.files) {
    report.bytes += entry.second.bytes;
    attempt(report, [&] { check_file(report.folder, entry.first, manifest, true); });
  }
  if (report.whole())  // every file was hashed just now: not again
    attempt(report, [&] {
      verify_digests(Checkpoint::open(report.folder, {.check_sha256 = false}), report);
    });
  return report;
}

std::vector<CheckpointEntry> list_checkpoints(const std::string& path) {
  const std::string root = resolve_root(path);
  const auto pointer = [&](const char* which) -> std::string {
    try {
      return read_pointer(root, which).value_or("");
    } catch (const Error&) {
      return {};  // a damaged pointer marks nothing; opening through it reports it
    }
  };
  const std::string latest = pointer(kLatest), best = pointer(kBest);
  std::vector<CheckpointEntry> entries;
  for (const auto& name : names_in(root))
    if (const auto step = parse_step_name(name); step && is_folder(root + "/" + name))
      entries.push_back({name, root + "/" + name, *step, name == latest, name == best});
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.step < b.step; });
  return entries;
}

namespace {

// It is not damaged: to fall back to an older one would lose steps.
void refuse_other_version(const std::string& folder) {
  try {
    read_manifest(folder);
  } catch (const OtherVersion&) {
    throw;
  } catch (const Error&) {
  }
}

// LATEST's first: a run that fell back to an older checkpoint has newer, abandoned ones.
std::vector<std::string> newest_first(const std::string& path) {
  auto entries = list_checkpoints(path);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.latest != b.latest ? a.latest : a.step > b.step;
  });
  std::vector<std::string> folders;
  for (const auto& entry : entries) folders.push_back(entry.folder);
  if (!folders.empty()) refuse_other_version(folders.front());
  return folders;
}

}  // namespace

Checkpoint newest_whole(const std::string& path, std::vector<std::string>* warnings,
                        Communicator* group) {
  const auto alone = group ? nullptr : make_local_communicator();
  Communicator& ranks = group ? *group : *alone;
  // Rank 0's list: another rank may see an older one of a file system of many hosts.
  std::istringstream folders(
      on_rank_0(ranks, [&] { return fmt::format("{}", fmt::join(newest_first(path), "\n")); }));
  int tried = 0;
  for (std::string folder; std::getline(folders, folder); ++tried) {
    Checkpoint opened;
    try {
      together(ranks, [&] {
        opened = Checkpoint::open(folder, {.reader = ranks.rank(), .readers = ranks.size()});
        return std::string();
      });
      return opened;
    } catch (const Error& e) {
      if (e.code() == ErrorCode::communication || e.code() == ErrorCode::timeout) throw;
      if (warnings)
        warnings->push_back(fmt::format("skipped damaged checkpoint {}: {}",
                                        folder.substr(folder.find_last_of('/') + 1), e.message()));
    }
  }
  throw Error(ErrorCode::corrupt,
              fmt::format("'{}' holds {} checkpoints, none of them whole", path, tried),
              tried == 0 ? "`gigatrain train CONFIG --overwrite` begins again"
                         : "`gigatrain ckpt verify FOLDER` says what is damaged");
}

}  // namespace gigatrain
