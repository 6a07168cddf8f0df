// The weights in a folder: one file, or shards and the index that names them.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "gigatrain/base/error.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

constexpr const char* kSingle = "/model.safetensors";
constexpr const char* kIndex = "/model.safetensors.index.json";

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::corrupt, fmt::format("'{}': {}", path, why),
              "get or make the folder again");
}

}  // namespace

std::map<std::string, std::string> parse_index(std::string_view text, const std::string& path) {
  const auto json = parse_sorted_json(text, path);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object())
    fail(path, "'weight_map' must be an object");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get<std::string>()))
      fail(path, fmt::format("the file of '{}' must be a plain name in this folder, got {}",
                             printable(tensor), printable(file.dump())));
    files[tensor] = file.get<std::string>();
  }
  if (files.empty()) fail(path, "it names no tensor");
  return files;
}

namespace {

void require_match(const ModelFiles& model, const std::map<std::string, std::string>& index,
                   const std::string& folder) {
  for (const auto& [name, file] : index) {
    const StoredTensor* tensor = model.find(name);
    if (!tensor || tensor->file != folder + "/" + file)
      fail(folder + kIndex, fmt::format("'{}' must stand in '{}'", printable(name), file));
  }
  for (const auto& [name, tensor] : model.tensors())
    if (!index.count(name))
      fail(tensor.file, fmt::format("tensor '{}' is not in the index", printable(name)));
}

}  // namespace

ModelFiles ModelFiles::open(const std::string& folder) {
  if (exists(folder + kSingle)) return open(folder, {"model.safetensors"});
  if (!exists(folder + kIndex))
    throw Error(ErrorCode::io,
                fmt::format("'{}' holds neither model.safetensors nor its index", folder),
                "give a Hugging Face folder with safetensors weights");
  const auto index = parse_index(read_small_file(folder + kIndex, kMaxHeader), folder + kIndex);
  std::set<std::string> files;
  for (const auto& [tensor, file] : index) files.insert(file);
  ModelFiles model = open(folder, {files.begin(), files.end()});
  require_match(model, index, folder);
  return model;
}

ModelFiles ModelFiles::open(const std::string& folder, const std::vector<std::string>& files) {
  ModelFiles model;
  model.folder_ = folder;
  for (const auto& name : files) {
    model.files_.push_back(SafetensorsFile(OpenFile::open_in(folder, name)));
    for (const auto& [tensor, stored] : model.files_.back().tensors())
      if (const auto [it, fresh] = model.tensors_.emplace(tensor, stored); !fresh)
        fail(stored.file,
             fmt::format("tensor '{}' stands in '{}' too", printable(tensor), it->second.file));
  }
  return model;
}

}  // namespace gigatrain
