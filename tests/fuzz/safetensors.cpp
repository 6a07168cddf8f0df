// The header of a safetensors file, checked against the bytes that follow it.
#include "train/safetensors_internal.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "json_edit.h"

using namespace gigatrain;
using Json = nlohmann::ordered_json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::read_or_refuse(data, size, [](std::string_view bytes) {
    const SafetensorsHeader header = parse_header(bytes, "model.safetensors");
    std::int64_t held = 0;
    for (const auto& [name, tensor] : header.tensors) {
      digest_of(tensor);  // reads each of its bytes
      held += tensor.bytes;
    }
    fuzz::require(held <= static_cast<std::int64_t>(bytes.size()), "tensors lie in the file");
  });
  return 0;
}

namespace {

constexpr std::size_t kMostBytes = 1 << 14;

// Gives the tensors the offsets that their shapes ask for; returns how many bytes they need.
std::size_t lay_out(Json& header) {
  std::int64_t end = 0;
  if (!header.is_object()) return 0;
  for (auto& [name, tensor] : header.items()) {
    if (!tensor.is_object() || !tensor.contains("shape") || !tensor["shape"].is_array()) continue;
    const Json dtype = tensor.value("dtype", Json());
    std::int64_t bytes = dtype.is_string() ? item_size(dtype.get<std::string>()) : 0;
    for (const Json& size : tensor["shape"]) {
      const auto n = size.is_number_unsigned() ? size.get<std::uint64_t>() : 0;
      bytes = n < kMostBytes && bytes < 1 << 20 ? bytes * static_cast<std::int64_t>(n) : 0;
    }
    tensor["data_offsets"] = {end, end + bytes};
    end += bytes;
  }
  return static_cast<std::size_t>(end);
}

}  // namespace

// Edits the header as JSON and gives it its right length; half of the time the tensors' data fit.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max, unsigned int seed) {
  fuzz::Random random(seed);
  std::uint64_t length = 0;
  if (size >= 8) std::memcpy(&length, data, 8);
  if (size < 8 || length > size - 8 || random() % 8 == 0) return LLVMFuzzerMutate(data, size, max);
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::string body = bytes.substr(8 + length);
  const bool fits = random() % 2;
  const std::string header = fuzz::mutate_json(bytes.substr(8, length), random, [&](Json& json) {
    const std::size_t need = fits ? lay_out(json) : kMostBytes;
    if (need < kMostBytes) body.resize(need);
    return fuzz::to_text(json);
  });
  length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return fuzz::give(out + header + body, data, max);
}
