// The header of a safetensors file, from bytes that may be hostile: every length is checked before
// it is used, and the tensors must cover the buffer exactly, without holes or overlaps.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

using Json = nlohmann::ordered_json;
static_assert(std::endian::native == std::endian::little, "files are little endian");

// Where we are in a file, for messages.
struct Place {
  const std::string& path;
  std::string tensor;

  [[noreturn]] void fail(std::int64_t byte, const std::string& why) const {
    const std::string who = tensor.empty() ? "" : fmt::format(", tensor '{}'", printable(tensor));
    throw Error(ErrorCode::corrupt, fmt::format("'{}'{}, byte {}: {}", path, who, byte, why),
                "get or make the file again: it is damaged or no safetensors file");
  }
};

std::uint64_t header_length(std::string_view bytes, const Place& place) {
  if (bytes.size() < 8)
    place.fail(0, fmt::format("the file must have at least 8 bytes, it has {}", bytes.size()));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > kMaxHeader)
    place.fail(0, fmt::format("the header length must be at most {}, got {}", kMaxHeader, length));
  if (length > bytes.size() - 8)
    place.fail(
        0, fmt::format("the header length is {} but {} bytes follow", length, bytes.size() - 8));
  if (length < 2 || bytes[8] != '{') place.fail(8, "the header must be a JSON object");
  return length;
}

std::map<std::string, std::string> parse_metadata(const Json& json, const Place& place) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object()) place.fail(8, "__metadata__ must be an object of strings");
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string())
      place.fail(8, fmt::format("__metadata__ '{}' must be a string", printable(key)));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

std::int64_t unsigned_number(const Json& json, const char* what, const Place& place) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 62;
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > kLargest)
    place.fail(8, fmt::format("{} must be whole numbers from 0 to 2^62", what));
  return json.get<std::int64_t>();
}

Shape parse_shape(const Json& json, const Place& place) {
  if (!json.is_array()) place.fail(8, "shape must be a list of numbers");
  if (json.size() > kMaxDims)
    place.fail(8, fmt::format("at most {} dims are supported, got {}", kMaxDims, json.size()));
  Shape shape;
  for (const auto& size : json) shape.push_back(unsigned_number(size, "shape", place));
  return shape;
}

// numel * item_size; sizes of 0 count as 1 for the check, since strides multiply the others.
std::int64_t bytes_of(const Shape& shape, std::int64_t item, const Place& place) {
  std::int64_t most = item;
  for (int i = 0; i < shape.dims(); ++i)
    if (__builtin_mul_overflow(most, std::max<std::int64_t>(shape[i], 1), &most))
      place.fail(8, fmt::format("the size of shape {} overflows 64 bits", shape.str()));
  return shape.numel() * item;
}

const Json& field(const Json& json, const char* key, const Place& place) {
  const auto it = json.find(key);
  if (it == json.end()) place.fail(8, fmt::format("'{}' is missing", key));
  return *it;
}

// Fills everything; `buffer`: where tensor data begin in the file.
StoredTensor parse_tensor(const std::string& name, const Json& json, std::string_view bytes,
                          std::int64_t buffer, const std::string& path) {
  const Place place{path, name};
  if (name.empty()) place.fail(8, "a tensor's name must not be empty");
  if (!json.is_object()) place.fail(8, "a tensor must be described by an object");
  const Json& dtype = field(json, "dtype", place);
  const Json& offsets = field(json, "data_offsets", place);
  StoredTensor tensor;
  tensor.name = name;
  tensor.file = path;
  tensor.shape = parse_shape(field(json, "shape", place), place);
  if (json.size() != 3) place.fail(8, "it must have dtype, shape and data_offsets only");
  if (!dtype.is_string() || item_size(dtype.get<std::string>()) == 0)
    place.fail(8, fmt::format("unknown dtype {}", printable(dtype.dump())));
  tensor.dtype = dtype.get<std::string>();
  if (!offsets.is_array() || offsets.size() != 2)
    place.fail(8, "data_offsets must be [begin, end]");
  const std::int64_t begin = unsigned_number(offsets[0], "data_offsets", place);
  const std::int64_t end = unsigned_number(offsets[1], "data_offsets", place);
  const auto size = static_cast<std::int64_t>(bytes.size()) - buffer;
  if (begin > end || end > size)
    place.fail(buffer, fmt::format("data_offsets [{}, {}] must lie in a buffer of {} bytes", begin,
                                   end, size));
  const std::int64_t want = bytes_of(tensor.shape, tensor.item_size(), place);
  if (end - begin != want)
    place.fail(buffer + begin, fmt::format("{} {} needs {} bytes, data_offsets give {}",
                                           tensor.dtype, tensor.shape.str(), want, end - begin));
  tensor.offset = buffer + begin;
  tensor.bytes = want;
  tensor.data = reinterpret_cast<const std::byte*>(bytes.data()) + tensor.offset;
  return tensor;
}

void require_full_cover(const std::map<std::string, StoredTensor>& tensors, std::int64_t buffer,
                        std::int64_t end, const std::string& path) {
  std::vector<const StoredTensor*> order;
  for (const auto& [name, tensor] : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  std::int64_t at = buffer;
  for (const auto* tensor : order) {
    const Place place{path, tensor->name};
    if (tensor->offset < at) place.fail(tensor->offset, "it overlaps another tensor");
    if (tensor->offset > at)
      place.fail(at, fmt::format("{} bytes before it belong to no tensor", tensor->offset - at));
    at += tensor->bytes;
  }
  if (at != end)
    Place{path, ""}.fail(at, fmt::format("{} bytes at the end belong to no tensor", end - at));
}

}  // namespace

SafetensorsHeader parse_header(std::string_view bytes, const std::string& path) {
  const std::uint64_t length = header_length(bytes, {path, ""});
  const auto buffer = static_cast<std::int64_t>(8 + length);
  SafetensorsHeader header;
  const auto entry = [&](const std::string& name, const Json& value) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(value, {path, ""});
      return;
    }
    if (header.tensors.size() == kMaxTensors)
      Place{path, ""}.fail(8, fmt::format("a file has at most {} tensors", kMaxTensors));
    header.tensors[name] = parse_tensor(name, value, bytes, buffer, path);
  };
  for_each_json_entry(bytes.substr(8, length), path, 8, /*max_depth=*/4, entry);
  require_full_cover(header.tensors, buffer, static_cast<std::int64_t>(bytes.size()), path);
  return header;
}

}  // namespace gigatrain
