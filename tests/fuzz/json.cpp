// JSON from disk in general, and two small readers of it: the index of model shards, and the
// sidecar of a token shard. Bytes are mutated as bytes, so that the parser itself is fuzzed.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "train/safetensors_internal.h"
#include "train/shard_internal.h"
#include "train/strict_json.h"

using namespace gigatrain;

namespace {

void any_document(std::string_view text) {
  const auto rewrite = [](std::string_view json) {
    return parse_strict_json(json, "x.json").dump();
  };
  fuzz::require_stable(rewrite, text, "JSON survives writing and reading");
}

void index(std::string_view text) {
  for (const auto& [tensor, file] : parse_index(text, "model.safetensors.index.json"))
    fuzz::require(is_plain_name(file), "an index names plain files only", file);
}

void sidecar(std::string_view text) {
  const auto rewrite = [](std::string_view json) {
    return shard::sidecar_json(shard::parse_sidecar(json, "x.bin.json"));
  };
  fuzz::require_stable(rewrite, text, "a sidecar survives writing and reading");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto read : {any_document, index, sidecar}) fuzz::read_or_refuse(data, size, read);
  return 0;
}
