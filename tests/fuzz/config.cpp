// A configuration's TOML: the document, and each value as an override would give it.
#include "fuzz.h"
#include "train/config_internal.h"

using namespace gigatrain;

namespace {

void require_same_when_written(const config::Value& value) {
  std::visit(
      [&](const auto& v) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(v)>, config::OtherValue>) {
          const std::string text = config::to_text(v);
          fuzz::require(config::describe(config::read_value(text)) == config::describe(value),
                        "a value survives writing and reading", text);
        }
      },
      value);
}

void document(std::string_view text) {
  for (const auto& entry : config::read_toml(std::string(text), "x.toml").entries)
    require_same_when_written(entry.value);
}

void override_value(std::string_view text) {
  config::read_value(std::string(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto read : {document, override_value}) fuzz::read_or_refuse(data, size, read);
  return 0;
}
