// From the paths of a configuration to shard files.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "gigatrain/base/error.h"
#include "gigatrain/train/token_source.h"

namespace gigatrain {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> shards_in(const fs::path& folder, const std::string& split) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(split) && name.ends_with(".bin")) found.push_back(it->path().string());
  }
  if (error)
    throw Error(ErrorCode::data,
                fmt::format("cannot list '{}': {}", folder.string(), error.message()));
  if (found.empty())
    throw Error(ErrorCode::data,
                fmt::format("folder '{}' must hold {}*.bin, it holds none", folder.string(), split),
                fmt::format("gigatrain data tokenize --tokenizer byte --input FILES --output {}",
                            folder.string()));
  std::sort(found.begin(), found.end());  // a folder has no order of its own
  return found;
}

}  // namespace

std::vector<std::string> find_shards(const std::vector<std::string>& paths,
                                     const std::string& split) {
  if (paths.empty())
    throw Error(ErrorCode::data, fmt::format("no shards were given for '{}'", split),
                fmt::format("set data.{} to a shard or a folder of shards", split));
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      const auto found = shards_in(path, split);
      out.insert(out.end(), found.begin(), found.end());
    } else if (!fs::exists(path, error) && fs::exists(path + ".idx", error)) {
      out.push_back(path + ".bin");  // Megatron names a pair by what both share
    } else {
      out.push_back(path);
    }
  }
  return out;
}

}  // namespace gigatrain
