// safetensors files: a u64 header length (little endian), a JSON header, one contiguous buffer.
// https://github.com/huggingface/safetensors. Reading validates the whole header before anything
// is used or allocated by it; the data stay in a read-only mapping of the file.
//
//   auto file = gt::SafetensorsFile::open("model.safetensors");
//   gt::copy_tensor(file.at("wte.weight"), parameter.value().view());
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gigatrain/base/tensor_view.h"

namespace gigatrain {

class OpenFile;  // private to the library

struct NamedView {
  std::string name;
  TensorView view;  // contiguous
};

// A tensor as it lies in a file. `data` need not be aligned: copy it out.
struct StoredTensor {
  std::string name;
  std::string dtype;  // as the file spells it: "F32", "BF16", "F16", ...
  Shape shape;
  const std::byte* data = nullptr;
  std::int64_t bytes = 0;
  std::int64_t offset = 0;  // of the first byte, from the beginning of the file
  std::string file;

  std::int64_t item_size() const;
};

// Copies into memory of the same shape. Equal dtypes are copied as they are, floating-point ones
// (F16 too) are converted; anything else is Error(invalid_argument) with both sides named.
void copy_tensor(const StoredTensor& from, const TensorView& to);

class SafetensorsFile {
 public:
  // Links, folders and FIFOs are refused. A broken file is Error(corrupt) that names the file, the
  // tensor and the byte.
  static SafetensorsFile open(const std::string& path);

  const std::string& path() const;
  std::vector<std::string> names() const;  // sorted
  const std::map<std::string, StoredTensor>& tensors() const;
  const StoredTensor* find(const std::string& name) const;  // null: not here
  const StoredTensor& at(const std::string& name) const;    // throws Error(corrupt)
  const std::map<std::string, std::string>& metadata() const;

  struct Impl;

 private:
  friend class ModelFiles;
  explicit SafetensorsFile(const OpenFile& file);
  std::shared_ptr<const Impl> impl_;
};

// The weights of a model: model.safetensors, or the shards that model.safetensors.index.json names.
class ModelFiles {
 public:
  static ModelFiles open(const std::string& folder);
  // These files of `folder`; a tensor that stands in two of them is refused.
  static ModelFiles open(const std::string& folder, const std::vector<std::string>& files);

  std::vector<std::string> names() const;  // sorted
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* find(const std::string& name) const;
  const StoredTensor& at(const std::string& name) const;
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, StoredTensor> tensors_;
};

struct WrittenFile {
  std::int64_t bytes = 0;
  std::string sha256;  // 64 hex digits
};

// Writes and syncs a file. Names are sorted; wider dtypes come first, so that every tensor is
// aligned to its element. The same tensors give the same bytes.
WrittenFile write_safetensors(const std::string& path, std::span<const NamedView> tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace gigatrain
