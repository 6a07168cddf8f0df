// Writing a safetensors file. Everything is checked before the file is made.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

using Json = nlohmann::ordered_json;
using Order = std::vector<const NamedView*>;

[[noreturn]] void refuse(const std::string& name, const char* why) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("cannot store tensor '{}': {}", printable(name), why));
}

Order by_name(std::span<const NamedView> tensors) {
  Order order;
  for (const auto& t : tensors) {
    if (t.name.empty() || t.name == "__metadata__") refuse(t.name, "the name is reserved");
    if (!t.view.is_contiguous()) refuse(t.name, "it must be contiguous");
    if (!t.view.data && t.view.numel() > 0) refuse(t.name, "it has no memory");
    order.push_back(&t);
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->name < b->name; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i]->name == order[i - 1]->name) refuse(order[i]->name, "two tensors have this name");
  return order;
}

// Wider elements first, as the format's own library does: then each is aligned to its size.
Order by_offset(Order order) {
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) {
    return size_of(a->view.dtype) > size_of(b->view.dtype);
  });
  return order;
}

std::string make_header(const Order& names, const Order& layout,
                        const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::int64_t> begin;
  std::int64_t end = 0;
  for (const auto* t : layout) {
    begin[t->name] = end;
    end += t->view.bytes();
  }
  Json json = Json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  for (const auto* t : names) {
    Json shape = Json::array();
    for (int i = 0; i < t->view.shape.dims(); ++i) shape.push_back(t->view.shape[i]);
    const std::int64_t at = begin.at(t->name);
    json[t->name] = {{"dtype", safetensors_dtype(t->view.dtype)},
                     {"shape", shape},
                     {"data_offsets", {at, at + t->view.bytes()}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const Json::exception&) {
    throw Error(ErrorCode::invalid_argument, "names of tensors and metadata must be valid UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxHeader)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the header must have at most {} bytes, got {}", kMaxHeader, text.size()),
        "store the tensors in several files");
  return text;
}

}  // namespace

WrittenFile write_safetensors(FileSystem& files, const std::string& path,
                              std::span<const NamedView> tensors,
                              const std::map<std::string, std::string>& metadata) {
  const Order names = by_name(tensors), layout = by_offset(names);
  const std::string header = make_header(names, layout, metadata);
  const std::uint64_t length = header.size();
  FileWriter writer(files, path);
  writer.append(&length, sizeof length);
  writer.append(header.data(), header.size());
  for (const auto* t : layout)
    writer.append(t->view.data, static_cast<std::size_t>(t->view.bytes()));
  return writer.finish();
}

WrittenFile write_safetensors(const std::string& path, std::span<const NamedView> tensors,
                              const std::map<std::string, std::string>& metadata) {
  FileSystem& files = FileSystem::real();
  const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  try {
    const WrittenFile written = write_safetensors(files, temporary, tensors, metadata);
    files.rename(temporary, path);
    files.sync_folder(parent_of(path));
    return written;
  } catch (const Error&) {
    remove_quietly(files, temporary);
    throw;
  }
}

}  // namespace gigatrain
