// The index of a Megatron dataset. The first two bytes of the input say how many bytes the .bin
// beside it has; their values do not matter to the index.
#include <cstring>
#include <string>

#include "fuzz.h"
#include "train/shard_internal.h"

using namespace gigatrain;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::uint16_t bin_bytes = 0;
  std::memcpy(&bin_bytes, data, 2);
  const std::string bin(bin_bytes, '\1');
  fuzz::read_or_refuse(data + 2, size - 2, [&](std::string_view idx) {
    const auto tokens = shard::read_megatron(bin, idx, "x.idx");
    fuzz::require(tokens.count * tokens.token_bytes == static_cast<std::int64_t>(bin.size()),
                  "the sequences cover the .bin");
    shard::scan_all(tokens);
  });
  return 0;
}
