// Element types of safetensors files, and copying out of them.
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

struct Entry {
  const char* name;
  std::int64_t bytes;
};
constexpr std::array kTypes = {
    Entry{"F64", 8}, Entry{"F32", 4}, Entry{"F16", 2},  Entry{"BF16", 2},    Entry{"I64", 8},
    Entry{"I32", 4}, Entry{"I16", 2}, Entry{"I8", 1},   Entry{"U64", 8},     Entry{"U32", 4},
    Entry{"U16", 2}, Entry{"U8", 1},  Entry{"BOOL", 1}, Entry{"F8_E4M3", 1}, Entry{"F8_E5M2", 1}};

template <class T>
T load(const std::byte* from) {  // files need not align their tensors
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

using Read = double (*)(const std::byte*);
Read reader(std::string_view dtype) {
  if (dtype == "F64") return [](const std::byte* p) { return load<double>(p); };
  if (dtype == "F32") return [](const std::byte* p) { return double{load<float>(p)}; };
  if (dtype == "BF16") return [](const std::byte* p) { return double{float(load<bf16>(p))}; };
  if (dtype == "F16") return [](const std::byte* p) { return double{float(load<f16>(p))}; };
  return nullptr;
}

template <class T>
void convert(const StoredTensor& from, Read read, T* to) {
  const std::int64_t n = from.shape.numel(), item = from.item_size();
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = read(from.data + i * item);
    if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
      to[i] = T(static_cast<float>(x));
    else
      to[i] = static_cast<T>(x);
  }
}

template <class Bits>
std::uint64_t digest(const StoredTensor& tensor, std::uint64_t first) {
  std::uint64_t sum = 0;
  const std::int64_t n = tensor.shape.numel();
  for (std::int64_t i = 0; i < n; ++i)
    sum = digest_add(sum, digest_mix(first + static_cast<std::uint64_t>(i),
                                     load<Bits>(tensor.data + i * std::int64_t{sizeof(Bits)})));
  return sum;
}

}  // namespace

std::int64_t item_size(std::string_view dtype) {
  for (const auto& type : kTypes)
    if (dtype == type.name) return type.bytes;
  return 0;
}

std::int64_t StoredTensor::item_size() const {
  return gigatrain::item_size(dtype);
}

const char* safetensors_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::f64:
      return "F64";
    case DType::bf16:
      return "BF16";
    case DType::f16:
      return "F16";
    case DType::i32:
      return "I32";
    case DType::i64:
      return "I64";
    case DType::u8:
      return "U8";
  }
  return "";
}

std::optional<DType> parse_safetensors_float(std::string_view dtype) {
  for (const auto d : {DType::f32, DType::bf16, DType::f16, DType::f64})
    if (dtype == safetensors_dtype(d)) return d;
  return std::nullopt;
}

void copy_tensor(const StoredTensor& from, const TensorView& to) {
  if (!(from.shape == to.shape) || !to.is_contiguous())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("tensor '{}' of '{}' has shape {}, expected {}", printable(from.name),
                            from.file, from.shape.str(), to.shape.str()),
                "use weights of the same model: n_layer, n_embd, vocab_size and so on must agree");
  if (from.bytes == 0) return;
  if (from.dtype == safetensors_dtype(to.dtype)) {
    std::memcpy(to.data, from.data, static_cast<std::size_t>(from.bytes));
    return;
  }
  const Read read = reader(from.dtype);
  if (!read || !is_floating(to.dtype))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("tensor '{}' of '{}' is {}, which does not convert to {}",
                            printable(from.name), from.file, from.dtype, name(to.dtype)));
  if (to.dtype == DType::f64) return convert(from, read, to.as<double>());
  if (to.dtype == DType::bf16) return convert(from, read, to.as<bf16>());
  if (to.dtype == DType::f16) return convert(from, read, to.as<f16>());
  convert(from, read, to.as<float>());
}

std::uint64_t digest_of(const StoredTensor& tensor, std::uint64_t first) {
  switch (tensor.item_size()) {
    case 8:
      return digest<std::uint64_t>(tensor, first);
    case 4:
      return digest<std::uint32_t>(tensor, first);
    case 2:
      return digest<std::uint16_t>(tensor, first);
    default:
      return digest<std::uint8_t>(tensor, first);
  }
}

}  // namespace gigatrain
