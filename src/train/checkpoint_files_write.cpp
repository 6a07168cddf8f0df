// Writing a checkpoint, whole or not at all:
//   1. a temporary folder gets every file, each synced: every rank's own, then rank 0's texts, the
//      manifest last; then the folder is synced;
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
#include "gigatrain/base/hash.h"
#include "safetensors_internal.h"

namespace gigatrain {

namespace {

// What all ranks wrote, as one. A tensor that they have not written exactly once is refused.
Manifest join_parts(const std::vector<Manifest>& parts) {
  Manifest all;
  all.ranks = static_cast<std::int64_t>(parts.size());
  for (const auto& part : parts) {
    all.files.insert(part.files.begin(), part.files.end());
    for (const auto& [name, record] : part.tensors) {
      const auto [it, first] = all.tensors.emplace(name, record);
      if (first) continue;
      it->second.digest = digest_add(it->second.digest, record.digest);
      it->second.slices.insert(it->second.slices.end(), record.slices.begin(), record.slices.end());
    }
  }
  for (auto& [name, record] : all.tensors) {
    std::sort(record.slices.begin(), record.slices.end(),
              [](const auto& a, const auto& b) { return a.begin < b.begin; });
    if (!covers(record))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("tensor '{}' of a checkpoint must be written once, whole, by its "
                              "owners",
                              name));
  }
  return all;
}

// Hugging Face's list of which file holds which weight.
std::string weight_index(const Manifest& manifest) {
  nlohmann::ordered_json map = nlohmann::ordered_json::object();
  std::int64_t total = 0;
  for (const auto& [name, record] : manifest.tensors) {
    const std::string& file = record.slices.empty() ? "" : record.slices.front().file;
    if (!file.starts_with(kModelFiles)) continue;
    map[name] = file;
    total += record.shape.numel() * item_size(record.dtype);
  }
  const nlohmann::ordered_json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  return index.dump(2) + "\n";
}

// All that is no tensor, the manifest last. The result's folder is left to the caller.
WrittenCheckpoint write_texts(FileSystem& files, const std::string& folder, Manifest manifest,
                              const CheckpointTexts& texts) {
  TrainState state = texts.state;
  manifest.step = state.step;
  if (state.state_digest == 0)
    for (const auto& [name, record] : manifest.tensors)
      state.state_digest = digest_add(state.state_digest, digest_named(name, record.digest));
  const auto text = [&](const std::string& name, const std::string& contents) {
    return write_file(files, folder + "/" + name, contents);
  };
  const auto add = [&](const char* name, const std::string& contents) {
    manifest.files[name] = text(name, contents);
  };
  add("model.safetensors.index.json", weight_index(manifest));
  add("config.json", texts.config_json);
  if (!texts.tokenizer_json.empty()) add("tokenizer.json", texts.tokenizer_json);
  add("state.json", state_to_json(state));
  WrittenCheckpoint written{.folder = {}, .state_digest = state.state_digest};
  for (const auto& [name, file] : manifest.files) written.bytes += file.bytes;
  written.bytes += text(kManifest, manifest_to_json(manifest)).bytes;
  files.sync_folder(folder);
  return written;
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

std::string saving_frame(const std::string& root, std::int64_t step) {
  return fmt::format("while saving checkpoint '{}/{}'", root, step_folder_name(step));
}

void check_request(std::int64_t step, const CheckpointOptions& options) {
  const auto refuse = [](const char* what, std::int64_t least, std::int64_t got) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} must be at least {}, got {}", what, least, got));
  };
  if (step < 0) refuse("a checkpoint's step", 0, step);
  if (options.keep < 1) refuse("checkpoint.keep", 1, options.keep);
  if (options.keep_every < 0) refuse("checkpoint.keep_every", 0, options.keep_every);
  if (options.max_file_bytes < 1) refuse("max_file_bytes", 1, options.max_file_bytes);
}

std::string begin_checkpoint(FileSystem& files, const std::string& root, std::int64_t step) {
  const std::string temporary =
      fmt::format("{}/.tmp-{}.{}", root, step_folder_name(step), ::getpid());
  make_root(files, root);
  remove_leftovers(files, root);
  files.make_folder(temporary);
  return temporary;
}

WrittenCheckpoint commit_checkpoint(FileSystem& files, const std::string& root,
                                    const std::string& temporary,
                                    const std::vector<Manifest>& parts,
                                    const CheckpointTexts& texts,
                                    const CheckpointOptions& options) {
  const std::string name = step_folder_name(texts.state.step);
  WrittenCheckpoint written = write_texts(files, temporary, join_parts(parts), texts);
  written.folder = root + "/" + name;
  put_in_place(files, root, temporary, name);
  replace_file(files, root + "/" + kLatest, name + "\n");
  if (options.is_best) replace_file(files, root + "/" + kBest, name + "\n");
  remove_older(files, root, texts.state.step, options);
  return written;
}

WrittenCheckpoint write_checkpoint(FileSystem& files, const std::string& root,
                                   const CheckpointContents& contents,
                                   const CheckpointOptions& options) {
  check_request(contents.state.step, options);
  std::string temporary;
  try {
    temporary = begin_checkpoint(files, root, contents.state.step);
    const auto part = write_part(files, temporary, part_of(contents, options.max_file_bytes), 1);
    return commit_checkpoint(files, root, temporary, {part},
                             {contents.config_json, contents.tokenizer_json, contents.state},
                             options);
  } catch (Error& e) {
    if (!temporary.empty()) remove_quietly(files, temporary);
    throw e.add_frame(saving_frame(root, contents.state.step));
  }
}

std::string write_checkpoint(const std::string& ckpt_root, const CheckpointContents& contents,
                             const CheckpointOptions& options) {
  return write_checkpoint(FileSystem::real(), ckpt_root, contents, options).folder;
}

}  // namespace gigatrain
