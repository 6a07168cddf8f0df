// What writing and reading a checkpoint share: names, the manifest, state.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "atomic_file.h"
#include "gigatrain/base/error.h"
#include "gigatrain/train/checkpoint_files.h"
#include "train/checkpoint_part.h"

namespace gigatrain {

inline constexpr const char* kManifest = "manifest.json";
inline constexpr const char* kLatest = "LATEST";
inline constexpr const char* kBest = "BEST";
inline constexpr const char* kModelFiles = "model-";  // how their names begin
inline constexpr const char* kOptimizerFiles = "optim-";

std::string step_folder_name(std::int64_t step);                // step_00001000
std::optional<std::int64_t> parse_step_name(std::string_view);  // exactly what the line above makes
std::string shard_name(const char* begin, int index, int count, int first);  // first: 0 or 1

// The step that LATEST or BEST names; nothing when there is no such file. Damage is Error(corrupt).
std::optional<std::string> read_pointer(const std::string& root, const char* which);

std::string state_to_json(const TrainState& state);
TrainState state_from_json(std::string_view text, const std::string& file);

struct Manifest {
  struct Slice {
    std::string file;
    std::int64_t begin = 0, end = 0;  // elements, in row-major order
    std::uint64_t digest = 0;         // of these, by their place in the whole tensor
  };
  struct Record {
    std::string dtype;
    Shape shape;
    std::uint64_t digest = 0;   // of all slices
    std::vector<Slice> slices;  // by begin
  };
  std::int64_t step = 0;
  std::int64_t ranks = 1;                    // that wrote it
  std::map<std::string, WrittenFile> files;  // all but the manifest itself
  std::map<std::string, Record> tensors;
};

// Do the slices cover the tensor, one after the other?
bool covers(const Manifest::Record& record);

// The text ends with a SHA-256 of itself (taken with that field empty), so that a flipped bit in
// any part of a checkpoint is found.
struct OtherVersion : Error {
  using Error::Error;
};
std::string manifest_to_json(const Manifest& manifest);
Manifest manifest_from_json(std::string_view text, const std::string& file);
Manifest read_manifest(const std::string& folder);

// Throws Error(corrupt) that says what differs, and where in the file.
void check_file(const std::string& folder, const std::string& name, const Manifest& manifest,
                bool check_sha256);

// The step's folder that `path` means (see Checkpoint::open), and the folder that holds the steps.
std::string resolve_checkpoint(const std::string& path);
std::string resolve_root(const std::string& path);

std::string digest_hex(std::uint64_t digest);

// The parts of a checkpoint that are no tensors.
struct CheckpointTexts {
  std::string config_json;
  std::string tokenizer_json;  // "": none
  TrainState state;            // state_digest 0: the sum of the tensors'
};

struct WrittenCheckpoint {
  std::string folder;
  std::uint64_t state_digest = 0;
  std::int64_t bytes = 0;  // of all its files
};

// Saving, in order (checkpoint_files_write.cpp): one rank begins and commits, every rank writes its
// part in between. begin_checkpoint gives the temporary folder that the parts go to; write_part
// takes `threads` of its own for digests and gives a manifest of what it wrote; after a failure
// somebody removes the temporary folder (remove_quietly).
void check_request(std::int64_t step, const CheckpointOptions& options);
std::string saving_frame(const std::string& root, std::int64_t step);  // of an error
// All of a state that is in one place.
CheckpointPart part_of(const CheckpointContents& contents, std::int64_t max_file_bytes);
std::string begin_checkpoint(FileSystem& files, const std::string& root, std::int64_t step);
Manifest write_part(FileSystem& files, const std::string& temporary, const CheckpointPart& part,
                    int threads);
WrittenCheckpoint commit_checkpoint(FileSystem& files, const std::string& root,
                                    const std::string& temporary,
                                    const std::vector<Manifest>& parts,
                                    const CheckpointTexts& texts, const CheckpointOptions& options);

// All of it by one caller, of a state that is in one place.
WrittenCheckpoint write_checkpoint(FileSystem& files, const std::string& ckpt_root,
                                   const CheckpointContents& contents,
                                   const CheckpointOptions& options);

// Housekeeping (checkpoint_files_clean.cpp). What processes that died left behind goes, or comes
// back; `alone`: no other process writes here, so whoever left something is dead.
void remove_leftovers(FileSystem& files, const std::string& root, bool alone = false);
void remove_older(FileSystem& files, const std::string& root, std::int64_t step,
                  const CheckpointOptions& options);

}  // namespace gigatrain
