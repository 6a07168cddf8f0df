// Token shards of llm.c's and nanoGPT's layouts.
#include <vector>

#include "fuzz.h"
#include "train/shard_internal.h"

using namespace gigatrain;

namespace {

void read_all(const shard::TokenArray& tokens) {
  const TokenScan scan = shard::scan_all(tokens);
  std::vector<std::uint32_t> last(1);
  tokens.widen(tokens.count - 1, 1, last.data());
  fuzz::require(last[0] <= scan.max_id, "the scan saw the largest id");
  fuzz::require(shard::find_at_least(tokens, scan.max_id) >= 0, "the largest id is found");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto read : {shard::read_llmc, shard::read_nanogpt})
    fuzz::read_or_refuse(data, size,
                         [&](std::string_view bytes) { read_all(read(bytes, "x.bin")); });
  return 0;
}
