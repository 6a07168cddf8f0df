// manifest.json of a checkpoint. It holds a SHA-256 of itself, which the mutator makes right again,
// so that fuzzing gets past it.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "json_edit.h"
#include "train/checkpoint_files_internal.h"
#include "train/sha256.h"

using namespace gigatrain;
using Json = nlohmann::ordered_json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::read_or_refuse(data, size, [](std::string_view text) {
    const auto rewrite = [](std::string_view json) {
      return manifest_to_json(manifest_from_json(json, "manifest.json"));
    };
    fuzz::require_stable(rewrite, text, "a manifest survives writing and reading");
  });
  return 0;
}

namespace {

// Sorted, as a manifest is written.
std::string sign(Json& edited) {
  nlohmann::json json = edited;
  if (json.is_object()) {
    json["sha256"] = "";
    json["sha256"] = sha256(fuzz::to_text(json));
  }
  return fuzz::to_text(json, 2) + "\n";
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max, unsigned int seed) {
  fuzz::Random random(seed);
  const std::string text(reinterpret_cast<const char*>(data), size);
  return fuzz::give(fuzz::mutate_json(text, random, sign), data, max);
}
