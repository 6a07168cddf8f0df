#include "tokenize_documents.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "mapped_file.h"

namespace gigatrain {
namespace {

using nlohmann::json;

// Thrown within this file; visit_jsonl adds the file and the line.
struct BadLine {
  std::string why;
};

const std::string& text_of(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string())
    throw BadLine{fmt::format("'{}' must be a string", key)};
  return it->get_ref<const std::string&>();
}

std::string join_messages(const json& messages) {
  if (!messages.is_array()) throw BadLine{"'messages' must be a list"};
  std::string out;
  for (const auto& message : messages) {
    if (!message.is_object()) throw BadLine{"a message must be an object"};
    out += text_of(message, "role") + ": " + text_of(message, "content") + "\n";
  }
  return out;
}

std::string document_of(const json& object) {
  if (!object.is_object()) throw BadLine{"a line must be one JSON object"};
  if (object.contains("text")) return text_of(object, "text");
  if (object.contains("prompt")) return text_of(object, "prompt") + text_of(object, "completion");
  if (object.contains("messages")) return join_messages(object["messages"]);
  throw BadLine{"an object needs 'text', 'prompt' and 'completion', or 'messages'"};
}

std::string parse_line(std::string_view line) {
  try {
    return document_of(json::parse(line));
  } catch (const json::exception& e) {
    throw BadLine{e.what()};
  }
}

void visit_jsonl(const MappedFile& file, FunctionRef<void(std::string_view)> visit) {
  std::string_view rest = file.bytes();
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    std::string text;
    try {
      text = parse_line(line);
    } catch (const BadLine& e) {
      throw Error(ErrorCode::data, fmt::format("{}:{}: {}", file.path(), number, e.why),
                  "mend or remove that line");
    }
    visit(text);
  }
}

}  // namespace

void visit_documents(const std::string& path, FunctionRef<void(std::string_view)> visit) {
  const auto file = MappedFile::open(path, ErrorCode::data);
  if (path.ends_with(".jsonl")) return visit_jsonl(file, visit);
  if (!path.ends_with(".txt"))
    throw Error(ErrorCode::data, fmt::format("an input must end in .txt or .jsonl, got '{}'", path),
                "rename it, or convert it to one of these");
  visit(file.bytes());
}

}  // namespace gigatrain
