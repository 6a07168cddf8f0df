// Opening, verifying and listing checkpoints. Nothing is believed before it is checked against the
// manifest, and nothing is ever executed.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

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

void require_recorded(const StoredTensor& tensor, const Manifest& manifest,
                      const std::string& folder) {
  const auto it = manifest.tensors.find(tensor.name);
  if (it == manifest.tensors.end())
    fail(folder, fmt::format("tensor '{}' is not in the manifest", printable(tensor.name)));
  const auto& record = it->second;
  if (record.dtype != tensor.dtype || !(record.shape == tensor.shape))
    fail(folder, fmt::format("tensor '{}' is {} {}, the manifest says {} {}",
                             printable(tensor.name), tensor.dtype, tensor.shape.str(),
                             printable(record.dtype), record.shape.str()));
  const bool one_slice = record.slices.size() == 1 && record.slices[0].begin == 0 &&
                         record.slices[0].end == tensor.shape.numel() &&
                         folder + "/" + record.slices[0].file == tensor.file;
  if (!one_slice)
    fail(folder,
         fmt::format("tensor '{}' does not stand where the manifest says", printable(tensor.name)));
}

void require_same_tensors(const ModelFiles& model, const ModelFiles& optimizer,
                          const Manifest& manifest, const std::string& folder) {
  for (const ModelFiles* part : {&model, &optimizer})
    for (const auto& [name, tensor] : part->tensors()) require_recorded(tensor, manifest, folder);
  if (model.tensors().size() + optimizer.tensors().size() != manifest.tensors.size())
    fail(folder,
         fmt::format("the manifest lists {} tensors, the files hold {}", manifest.tensors.size(),
                     model.tensors().size() + optimizer.tensors().size()));
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& path, const CheckpointOpenOptions& options) {
  Checkpoint c;
  c.folder_ = resolve_checkpoint(path);
  const Manifest manifest = read_manifest(c.folder_);
  for (const char* name : {"config.json", "state.json"}) require_listed(manifest, c.folder_, name);
  for (const auto& [name, file] : manifest.files) {
    // Texts are small: they are always hashed.
    check_file(c.folder_, name, file, options.check_sha256 || !name.ends_with(".safetensors"));
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
  c.model_ = ModelFiles::open(c.folder_, files_named(manifest, "model-"));
  c.optimizer_ = ModelFiles::open(c.folder_, files_named(manifest, "optim-"));
  require_same_tensors(c.model_, c.optimizer_, manifest, c.folder_);
  for (const auto& [name, record] : manifest.tensors) c.tensors_[name] = record;
  return c;
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
  std::map<std::string, std::uint64_t> digests;
  for (const ModelFiles* part : {&c.model(), &c.optimizer()})
    for (const auto& [name, tensor] : part->tensors()) digests[name] = digest_of(tensor);
  for (const auto& [name, record] : c.tensors())
    if (digests[name] != record.digest)
      report.problems.push_back(fmt::format("tensor '{}' has digest {}, the manifest says {}",
                                            printable(name), digest_hex(digests[name]),
                                            digest_hex(record.digest)));
  if (const auto sum = sum_digests(digests); sum != report.state_digest)
    report.problems.push_back(fmt::format("the state's digest is {}, state.json says {}",
                                          digest_hex(sum), digest_hex(report.state_digest)));
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
    attempt(report, [&] { check_file(report.folder, entry.first, entry.second, true); });
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

Checkpoint newest_whole(const std::string& path, std::vector<std::string>* warnings) {
  auto entries = list_checkpoints(path);
  // LATEST's first: a run that fell back to an older checkpoint has newer, abandoned ones.
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.latest != b.latest ? a.latest : a.step > b.step;
  });
  for (const auto& entry : entries) {
    try {
      return Checkpoint::open(entry.folder);
    } catch (const Error& e) {
      if (warnings)
        warnings->push_back(
            fmt::format("skipped damaged checkpoint {}: {}", entry.name, e.message()));
    }
  }
  throw Error(ErrorCode::corrupt,
              fmt::format("'{}' holds {} checkpoints, none of them whole", path, entries.size()),
              entries.empty() ? "`gigatrain train CONFIG --overwrite` begins again"
                              : "`gigatrain ckpt verify FOLDER` says what is damaged");
}

}  // namespace gigatrain
