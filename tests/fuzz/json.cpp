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
  const std::string written = parse_strict_json(text, "x.json").dump();
  fuzz::require(parse_strict_json(written, "x.json").dump() == written,
                "JSON survives writing and reading", written);
}

void index(std::string_view text) {
  for (const auto& [tensor, file] : parse_index(text, "model.safetensors.index.json"))
    fuzz::require(is_plain_name(file), "an index names plain files only", file);
}

void sidecar(std::string_view text) {
  const std::string written = shard::sidecar_json(shard::parse_sidecar(text, "x.bin.json"));
  fuzz::require(shard::sidecar_json(shard::parse_sidecar(written, "x.bin.json")) == written,
                "a sidecar survives writing and reading", written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto read : {any_document, index, sidecar}) fuzz::read_or_refuse(data, size, read);
  return 0;
}
