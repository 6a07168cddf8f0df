#include "machine_rates.h"

#include <fmt/format.h>

namespace gigatrain::tools {

nlohmann::ordered_json rates_of(const MachineLimit& limit) {
  nlohmann::ordered_json j;
  const auto add = [&](const char* key, double rate) {
    if (rate > 0) j[key] = rate;
  };
  add("copy_bytes_per_s", limit.copy_bytes);
  add("copy_streamed_bytes_per_s", limit.copy_streamed_bytes);
  add("update_bytes_per_s", limit.update_bytes);
  add("read_bytes_per_s", limit.read_bytes);
  add("write_bytes_per_s", limit.write_bytes);
  add("write_streamed_bytes_per_s", limit.write_streamed_bytes);
  add("exps_per_s", limit.exps);
  add("random_words_per_s", limit.random_words);
  return j;
}

std::string format_rates(const MachineLimit& limit) {
  std::string text = fmt::format("copy {:.1f} GB/s", limit.copy_bytes / 1e9);
  if (limit.read_bytes > 0)
    text += fmt::format(
        " ({:.1f} streamed, {:.1f} in place), read {:.1f}, write {:.1f} ({:.1f} streamed), {:.1f} "
        "G "
        "exp/s, {:.1f} G random words/s",
        limit.copy_streamed_bytes / 1e9, limit.update_bytes / 1e9, limit.read_bytes / 1e9,
        limit.write_bytes / 1e9, limit.write_streamed_bytes / 1e9, limit.exps / 1e9,
        limit.random_words / 1e9);
  return text;
}

}  // namespace gigatrain::tools
