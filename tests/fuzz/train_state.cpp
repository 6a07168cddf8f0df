// state.json of a checkpoint.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "json_edit.h"
#include "train/checkpoint_files_internal.h"

using namespace gigatrain;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::read_or_refuse(data, size, [](std::string_view text) {
    const auto rewrite = [](std::string_view json) {
      return state_to_json(state_from_json(json, "state.json"));
    };
    fuzz::require_stable(rewrite, text, "a state survives writing and reading");
  });
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max, unsigned int seed) {
  fuzz::Random random(seed);
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto as_it_is = [](nlohmann::ordered_json& json) { return fuzz::to_text(json); };
  return fuzz::give(fuzz::mutate_json(text, random, as_it_is), data, max);
}
