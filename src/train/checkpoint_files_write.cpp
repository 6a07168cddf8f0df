// Writing a checkpoint, whole or not at all:
//   1. a temporary folder gets every file, each synced, then the folder is synced;
//   2. it is renamed to its step, and the parent is synced: from here on it is durable;
//   3. LATEST (and BEST) are replaced, each by a synced temporary file and a rename;
//   4. only now are older checkpoints removed.
// A crash at any point leaves the newest earlier checkpoint as it was.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "gigatrain/runtime/device.h"
#include "kernels/reduce.h"
#include "safetensors_internal.h"

namespace gigatrain {
namespace {

using Group = std::vector<NamedView>;

// Whole tensors in name order, cut where a file would pass max_bytes.
std::vector<Group> cut(std::vector<NamedView> tensors, std::int64_t max_bytes) {
  std::sort(tensors.begin(), tensors.end(),
            [](const NamedView& a, const NamedView& b) { return a.name < b.name; });
  std::vector<Group> groups(1);
  std::int64_t size = 0;
  for (auto& tensor : tensors) {
    if (!groups.back().empty() && size + tensor.view.bytes() > max_bytes) {
      groups.emplace_back();
      size = 0;
    }
    size += tensor.view.bytes();
    groups.back().push_back(std::move(tensor));
  }
  return groups;
}

// Writes the files of one checkpoint into an existing folder.
class FolderWriter {
 public:
  FolderWriter(FileSystem& files, std::string folder, const CheckpointContents& contents)
      : files_(files), folder_(std::move(folder)), contents_(contents) {
    manifest_.step = contents.state.step;
  }

  // All but the result's folder, which is not in its place yet.
  WrittenCheckpoint write(std::int64_t max_file_bytes) {
    write_model(max_file_bytes);
    text("config.json", contents_.config_json);
    if (!contents_.tokenizer_json.empty()) text("tokenizer.json", contents_.tokenizer_json);
    // Always there, so that a reader need not guess: it may hold no tensors (plain SGD).
    tensors(shard_name("optim", 0, 1, 0), contents_.optimizer, {});
    const TrainState state = finished_state();
    text("state.json", state_to_json(state));
    WrittenCheckpoint written{.folder = {}, .state_digest = state.state_digest};
    for (const auto& [name, file] : manifest_.files) written.bytes += file.bytes;
    written.bytes +=
        write_file(files_, folder_ + "/" + kManifest, manifest_to_json(manifest_)).bytes;
    files_.sync_folder(folder_);
    return written;
  }

 private:
  void text(const std::string& name, const std::string& contents) {
    manifest_.files[name] = write_file(files_, folder_ + "/" + name, contents);
  }

  void tensors(const std::string& name, const Group& group,
               const std::map<std::string, std::string>& metadata) {
    manifest_.files[name] = write_safetensors(files_, folder_ + "/" + name, group, metadata);
    for (const auto& tensor : group) record(tensor, name);
  }

  void record(const NamedView& tensor, const std::string& file) {
    Manifest::Record record;
    record.dtype = safetensors_dtype(tensor.view.dtype);
    record.shape = tensor.view.shape;
    const auto known = contents_.digests.find(tensor.name);
    record.digest = known == contents_.digests.end() ? digest_of(tensor.view) : known->second;
    record.slices = {{file, 0, tensor.view.numel()}};
    if (!manifest_.tensors.emplace(tensor.name, record).second)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("two tensors of a checkpoint are named '{}'", tensor.name));
  }

  // By this thread alone: training may have the others.
  std::uint64_t digest_of(const TensorView& view) {
    std::uint64_t digest = 0;
    cpu_.stream().submit(kernels::Digest{.x = view, .digest = &digest});
    return digest;
  }

  void write_model(std::int64_t max_file_bytes) {
    const auto groups = cut(contents_.model, max_file_bytes);
    nlohmann::ordered_json map = nlohmann::ordered_json::object();
    std::int64_t total = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const std::string name =
          shard_name("model", static_cast<int>(i), static_cast<int>(groups.size()), 1);
      tensors(name, groups[i], {{"format", "pt"}});  // transformers refuses files without it
      for (const auto& tensor : groups[i]) {
        map[tensor.name] = name;
        total += tensor.view.bytes();
      }
    }
    const nlohmann::ordered_json index = {{"metadata", {{"total_size", total}}},
                                          {"weight_map", map}};
    text("model.safetensors.index.json", index.dump(2) + "\n");
  }

  TrainState finished_state() const {
    TrainState state = contents_.state;
    std::map<std::string, std::uint64_t> digests;
    for (const auto& [name, record] : manifest_.tensors) digests[name] = record.digest;
    if (state.state_digest == 0) state.state_digest = sum_digests(digests);
    return state;
  }

  FileSystem& files_;
  std::string folder_;
  const CheckpointContents& contents_;
  Manifest manifest_;
  Device cpu_{CpuOptions{.threads = 1}};
};

void check_request(const CheckpointContents& contents, const CheckpointOptions& options) {
  if (contents.state.step < 0 || !parse_step_name(step_folder_name(contents.state.step)))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a checkpoint's step must be at least 0, got {}", contents.state.step));
  if (options.keep < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("checkpoint.keep must be at least 1, got {}", options.keep));
  if (options.max_file_bytes < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("max_file_bytes must be at least 1, got {}", options.max_file_bytes));
}

void make_root(FileSystem& files, const std::string& root) {
  if (leads_to_folder(root)) return;
  files.make_folder(root);
  files.sync_folder(parent_of(root));
}

// Puts `temporary` in the place of `folder`. Where the file system can swap two folders there is a
// whole one under that name at every moment; elsewhere the old one waits under .old-*, from where
// remove_leftovers brings it back after a crash.
void put_in_place(FileSystem& files, const std::string& root, const std::string& temporary,
                  const std::string& name) {
  const std::string folder = root + "/" + name;
  if (!exists(folder)) {
    files.rename(temporary, folder);
    files.sync_folder(root);
    return;
  }
  if (files.exchange(temporary, folder)) {
    files.sync_folder(root);
    remove_tree(files, temporary);
    return;
  }
  const std::string old = fmt::format("{}/.old-{}.{}", root, name, ::getpid());
  files.rename(folder, old);
  files.rename(temporary, folder);
  files.sync_folder(root);
  remove_tree(files, old);
}

}  // namespace

WrittenCheckpoint write_checkpoint(FileSystem& files, const std::string& root,
                                   const CheckpointContents& contents,
                                   const CheckpointOptions& options) {
  check_request(contents, options);
  WrittenCheckpoint written;
  const std::string name = step_folder_name(contents.state.step);
  const std::string temporary = fmt::format("{}/.tmp-{}.{}", root, name, ::getpid());
  try {
    make_root(files, root);
    remove_leftovers(files, root);
    files.make_folder(temporary);
    written = FolderWriter(files, temporary, contents).write(options.max_file_bytes);
    put_in_place(files, root, temporary, name);
    replace_file(files, root + "/" + kLatest, name + "\n");
    if (options.is_best) replace_file(files, root + "/" + kBest, name + "\n");
    remove_older(files, root, contents.state.step, options.keep);
  } catch (Error& e) {
    remove_quietly(files, temporary);
    throw e.add_frame(fmt::format("while saving checkpoint '{}/{}'", root, name));
  }
  written.folder = root + "/" + name;
  return written;
}

std::string write_checkpoint(const std::string& ckpt_root, const CheckpointContents& contents,
                             const CheckpointOptions& options) {
  return write_checkpoint(FileSystem::real(), ckpt_root, contents, options).folder;
}

}  // namespace gigatrain
