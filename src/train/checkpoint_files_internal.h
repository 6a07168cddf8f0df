// What writing and reading a checkpoint share: names, the manifest, state.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "atomic_file.h"
#include "gigatrain/train/checkpoint_files.h"

namespace gigatrain {

inline constexpr const char* kManifest = "manifest.json";
inline constexpr const char* kLatest = "LATEST";
inline constexpr const char* kBest = "BEST";

std::string step_folder_name(std::int64_t step);                // step_00001000
std::optional<std::int64_t> parse_step_name(std::string_view);  // exactly what the line above makes
std::string shard_name(const char* stem, int index, int count, int first);  // first: 0 or 1

// The step that LATEST or BEST names; nothing when there is no such file. Damage is Error(corrupt).
std::optional<std::string> read_pointer(const std::string& root, const char* which);

std::string state_to_json(const TrainState& state);
TrainState state_from_json(std::string_view text, const std::string& file);

struct Manifest {
  struct Slice {
    std::string file;
    std::int64_t begin = 0, end = 0;  // elements, in row-major order
  };
  struct Record : TensorRecord {
    std::vector<Slice> slices;
  };
  std::int64_t step = 0;
  std::map<std::string, WrittenFile> files;  // all but the manifest itself
  std::map<std::string, Record> tensors;
};

// The text ends with a SHA-256 of itself (taken with that field empty), so that a flipped bit in
// any part of a checkpoint is found.
std::string manifest_to_json(const Manifest& manifest);
Manifest manifest_from_json(std::string_view text, const std::string& file);
Manifest read_manifest(const std::string& folder);

// Throws Error(corrupt) that says what differs.
void check_file(const std::string& folder, const std::string& name, const WrittenFile& want,
                bool check_sha256);

// The step's folder that `path` means (see Checkpoint::open), and the folder that holds the steps.
std::string resolve_checkpoint(const std::string& path);
std::string resolve_root(const std::string& path);

// Sum over tensors of base/hash.h's digest_named.
std::uint64_t sum_digests(const std::map<std::string, std::uint64_t>& digests);
std::string digest_hex(std::uint64_t digest);

struct WrittenCheckpoint {
  std::string folder;
  std::uint64_t state_digest = 0;
  std::int64_t bytes = 0;  // of all its files
};
WrittenCheckpoint write_checkpoint(FileSystem& files, const std::string& ckpt_root,
                                   const CheckpointContents& contents,
                                   const CheckpointOptions& options);

// Housekeeping (checkpoint_files_clean.cpp). What processes that died left behind goes, or comes
// back; `alone`: no other process writes here, so whoever left something is dead.
void remove_leftovers(FileSystem& files, const std::string& root, bool alone = false);
void remove_older(FileSystem& files, const std::string& root, std::int64_t step, int keep);

}  // namespace gigatrain
