// What the reader and the writer of safetensors share.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "atomic_file.h"
#include "gigatrain/train/safetensors.h"

namespace gigatrain {

inline constexpr std::uint64_t kMaxHeader = 100'000'000;  // as the format's own library
inline constexpr std::size_t kMaxTensors = 1 << 18;       // of one file

std::int64_t item_size(std::string_view dtype);  // 0: no such dtype
const char* safetensors_dtype(DType dtype);
std::optional<DType> parse_safetensors_float(std::string_view dtype);  // nothing: no float of ours

struct SafetensorsHeader {
  std::map<std::string, StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
};
// Validates all of it against the bytes of the file.
SafetensorsHeader parse_header(std::string_view bytes, const std::string& path);

// model.safetensors.index.json: tensor name to the plain name of its file.
std::map<std::string, std::string> parse_index(std::string_view text, const std::string& path);

// Into a new file.
WrittenFile write_safetensors(FileSystem& files, const std::string& path,
                              std::span<const NamedView> tensors,
                              const std::map<std::string, std::string>& metadata);

// The digest of base/hash.h, over the elements as they lie in the file; `first`: the place of the
// first one in the tensor that this is a slice of.
std::uint64_t digest_of(const StoredTensor& tensor, std::uint64_t first = 0);

}  // namespace gigatrain
