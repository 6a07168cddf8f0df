#include "json_edit.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "fuzz.h"

namespace gigatrain::fuzz {
namespace {

using Json = nlohmann::ordered_json;

std::size_t below(Random& random, std::size_t n) {
  return random() % n;
}

// Values at which readers err.
Json odd_value(Random& random) {
  static const std::vector<Json> values = {
      nullptr,
      true,
      0,
      1,
      -1,
      0.5,
      1e308,
      std::int64_t{1} << 31,
      std::int64_t{1} << 53,
      std::int64_t{1} << 62,
      (std::uint64_t{1} << 62) + 1,
      std::uint64_t{1} << 63,
      ~std::uint64_t{0},
      "",
      "..",
      "../x",
      "a/b",
      std::string("a\0b", 3),
      "\x1b[2J",
      "F32",
      "BF16",
      "U8",
      "0123456789abcdef",
      std::string(300, 'x'),
      Json::array(),
      Json::object(),
      Json::array({Json::array({Json::array({Json::array({1})})})}),
      Json::array({0, 0}),
      Json::array({1, 2, 3, 4, 5, 6, 7, 8, 9})};
  return values[below(random, values.size())];
}

void collect(Json& json, std::vector<Json*>& all) {
  all.push_back(&json);
  if (json.is_structured())
    for (Json& item : json) collect(item, all);
}

void add_to(Json& container, Json value, Random& random) {
  if (container.is_array())
    container.insert(
        container.begin() + static_cast<std::ptrdiff_t>(below(random, container.size() + 1)),
        std::move(value));
  else
    container["k" + std::to_string(below(random, 8))] = std::move(value);
}

void remove_from(Json& container, Random& random) {
  if (container.empty()) return;
  auto at = container.begin();
  std::advance(at, below(random, container.size()));
  container.erase(at);
}

void nudge(Json& number, Random& random) {
  const auto by = static_cast<std::int64_t>(below(random, 9)) - 4;
  if (number.is_number_unsigned())
    number = number.get<std::uint64_t>() + static_cast<std::uint64_t>(by);
}

void change(Json& value, Random& random) {
  if (value.is_structured() && below(random, 2)) return remove_from(value, random);
  if (value.is_number() && below(random, 2)) return nudge(value, random);
  value = odd_value(random);
}

}  // namespace

void edit(Json& json, Random& random) {
  std::vector<Json*> all;
  collect(json, all);
  Json& target = *all[below(random, all.size())];
  const Json other = *all[below(random, all.size())];
  const auto choice = below(random, 4);
  if (choice == 0 && all.size() < 200 && target.is_structured())
    add_to(target, other, random);
  else if (choice == 1 && all.size() < 200)
    target = other;
  else
    change(target, random);
}

std::string mutate_json(const std::string& text, Random& random,
                        const std::function<std::string(Json&)>& finish) {
  Json json = below(random, 8) == 0 ? Json(Json::value_t::discarded)
                                    : Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return mutate_bytes(text, text.size() + 64);
  for (std::size_t i = 0, n = 1 + below(random, 3); i < n; ++i) edit(json, random);
  return finish(json);
}

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string mutate_bytes(std::string bytes, std::size_t max) {
  const std::size_t size = bytes.size();
  bytes.resize(std::max(max, size));
  auto* data = reinterpret_cast<std::uint8_t*>(bytes.data());
  bytes.resize(LLVMFuzzerMutate(data, size, bytes.size()));
  return bytes;
}

std::size_t give(const std::string& bytes, std::uint8_t* data, std::size_t max) {
  const std::size_t size = std::min(bytes.size(), max);
  std::memcpy(data, bytes.data(), size);
  return size;
}

}  // namespace gigatrain::fuzz
