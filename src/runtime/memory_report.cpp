#include "gigatrain/runtime/memory_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>

namespace gigatrain {

namespace {

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) / (1 << 20));
}

std::string largest_blocks(std::vector<detail::Block> live, int lines) {
  const auto key = [](const detail::Block& b) {
    return std::tuple(-b.bytes, b.name.purpose, std::string_view(b.name.what));
  };
  std::sort(live.begin(), live.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::string text;
  for (std::size_t i = 0; i < live.size() && lines > 0; --lines) {
    std::size_t count = 0;
    while (i + count < live.size() && key(live[i + count]) == key(live[i])) ++count;
    text += fmt::format("{:>6} x {:>12} MiB  {} '{}'\n", count, mebibytes(live[i].bytes),
                        name(live[i].name.purpose), live[i].name.what);
    i += count;
  }
  return text;
}

}  // namespace

std::string memory_report(Device& device, int blocks) {
  const MemoryStats stats = device.allocator().stats();
  const auto row = [](const char* what, const MemoryStats::Bytes& b) {
    return fmt::format("{:<12} {:>12} {:>12}\n", what, mebibytes(b.now), mebibytes(b.peak));
  };
  std::string text = fmt::format("{:<12} {:>12} {:>12}\n", "MiB", "now", "peak");
  for (std::size_t i = 0; i < stats.by_purpose.size(); ++i)
    text += row(name(static_cast<Purpose>(i)), stats.by_purpose[i]);
  text += row("total", stats.total);
  text += fmt::format("{:<12} {:>12}   (with freed blocks kept for reuse)\n", "reserved",
                      mebibytes(stats.reserved));
  return text + "largest blocks:\n" + largest_blocks(device.allocator().live_blocks(), blocks);
}

}  // namespace gigatrain
