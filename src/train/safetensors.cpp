#include "gigatrain/train/safetensors.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "mapped_file.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

std::vector<std::string> names_of(const std::map<std::string, StoredTensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

const StoredTensor* find_in(const std::map<std::string, StoredTensor>& tensors,
                            const std::string& name) {
  const auto it = tensors.find(name);
  return it == tensors.end() ? nullptr : &it->second;
}

const StoredTensor& require(const StoredTensor* tensor, const std::string& name,
                            const std::string& where) {
  if (tensor) return *tensor;
  throw Error(ErrorCode::corrupt, fmt::format("'{}' holds no tensor '{}'", where, printable(name)),
              "use files of the same model: `gigatrain ckpt diff A B` compares names and shapes");
}

}  // namespace

struct SafetensorsFile::Impl {
  MappedFile file;
  SafetensorsHeader header;
};

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  return SafetensorsFile(OpenFile::open(path, Links::refuse, ErrorCode::io));
}

SafetensorsFile::SafetensorsFile(const OpenFile& file) {
  MappedFile mapped(file, ErrorCode::io);
  SafetensorsHeader header = parse_header(mapped.bytes(), file.path());
  impl_ = std::make_shared<const Impl>(Impl{std::move(mapped), std::move(header)});
}

const std::string& SafetensorsFile::path() const {
  return impl_->file.path();
}
std::vector<std::string> SafetensorsFile::names() const {
  return names_of(tensors());
}
const std::map<std::string, StoredTensor>& SafetensorsFile::tensors() const {
  return impl_->header.tensors;
}
const StoredTensor* SafetensorsFile::find(const std::string& name) const {
  return find_in(tensors(), name);
}
const StoredTensor& SafetensorsFile::at(const std::string& name) const {
  return require(find(name), name, path());
}
const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return impl_->header.metadata;
}

std::vector<std::string> ModelFiles::names() const {
  return names_of(tensors_);
}
const StoredTensor* ModelFiles::find(const std::string& name) const {
  return find_in(tensors_, name);
}
const StoredTensor& ModelFiles::at(const std::string& name) const {
  return require(find(name), name, folder_);
}

}  // namespace gigatrain
