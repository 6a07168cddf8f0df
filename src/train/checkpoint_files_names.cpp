// Names in a ckpt/ folder, and what a path given by a user means.
#include <fmt/format.h>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "strict_json.h"

namespace gigatrain {

std::string step_folder_name(std::int64_t step) {
  return fmt::format("step_{:08d}", step);
}

std::optional<std::int64_t> parse_step_name(std::string_view name) {
  constexpr std::string_view kPrefix = "step_";
  if (!name.starts_with(kPrefix) || name.size() < 13 || name.size() > 23) return std::nullopt;
  std::int64_t step = 0;
  for (const char c : name.substr(kPrefix.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    step = step * 10 + (c - '0');
  }
  if (step_folder_name(step) != name) return std::nullopt;
  return step;
}

std::string shard_name(const char* begin, int index, int count, int first) {
  return fmt::format("{}{:05d}-of-{:05d}.safetensors", begin, index + first, count);
}

std::optional<std::string> read_pointer(const std::string& root, const char* which) {
  const std::string path = root + "/" + which;
  if (!exists(path)) return std::nullopt;
  std::string text = read_small_file(path, 64);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!parse_step_name(text))
    throw Error(
        ErrorCode::corrupt,
        fmt::format("'{}' must hold a name like step_00001000, got '{}'", path, printable(text)),
        fmt::format("look at `gigatrain ckpt ls {}` and give the folder of a step", root));
  return text;
}

std::string resolve_root(const std::string& path) {
  return leads_to_folder(path + "/ckpt") ? path + "/ckpt" : path;
}

std::string resolve_checkpoint(const std::string& path) {
  if (exists(path + "/" + kManifest)) return path;
  const std::string root = resolve_root(path);
  if (const auto name = read_pointer(root, kLatest)) {
    const std::string folder = root + "/" + *name;
    if (!exists(folder) || is_folder(folder)) return folder;
    throw Error(
        ErrorCode::corrupt,
        fmt::format("'{}' is a link or a file, expected a folder: {} names it", folder, kLatest),
        "give the folder that the link leads to, if it is one that you trust");
  }
  throw Error(
      ErrorCode::corrupt,
      fmt::format("'{}' holds no checkpoint: neither {} nor {} is there", path, kManifest, kLatest),
      "give a run folder, its ckpt/ folder or the folder of one step");
}

std::string digest_hex(std::uint64_t digest) {
  return fmt::format("{:016x}", digest);
}

}  // namespace gigatrain
