#include "gigatrain/train/batch_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

[[noreturn]] void malformed(const std::string& text) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("a ramp's point must be 'STEP: LEAVES', got '{}'", text),
              "write e.g. [\"0: 4\", \"100: 8\"]");
}

std::int64_t number(std::string_view part, const std::string& text) {
  const auto first = std::min(part.find_first_not_of(' '), part.size());
  const auto end = part.find_last_not_of(' ') + 1;
  std::int64_t value = 0;
  const auto read = std::from_chars(part.data() + first, part.data() + end, value);
  if (first >= end || read.ec != std::errc() || read.ptr != part.data() + end) malformed(text);
  return value;
}

}  // namespace

std::int64_t BatchShape::leaves_at(std::int64_t step) const {
  std::int64_t now = leaves;
  for (const auto& point : ramp)
    if (point.step <= step) now = point.leaves;
  return now;
}

std::int64_t BatchShape::leaves_before(std::int64_t step) const {
  if (ramp.empty()) return step * leaves;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < ramp.size() && ramp[i].step < step; ++i) {
    const std::int64_t end = i + 1 < ramp.size() ? std::min(ramp[i + 1].step, step) : step;
    sum += (end - ramp[i].step) * ramp[i].leaves;
  }
  return sum;
}

std::int64_t BatchShape::fewest_leaves() const {
  std::int64_t fewest = leaves;
  for (const auto& point : ramp) fewest = std::min(fewest, point.leaves);
  return fewest;
}

BatchShape BatchShape::at(std::int64_t step) const {
  return {.leaves = leaves_at(step),
          .micro_batches = micro_batches,
          .micro_batch = micro_batch,
          .seq_len = seq_len};
}

std::vector<RampPoint> parse_batch_ramp(const std::vector<std::string>& points) {
  std::vector<RampPoint> ramp;
  for (const auto& text : points) {
    const auto colon = text.find(':');
    if (colon == std::string::npos) malformed(text);
    const std::string_view all = text;
    ramp.push_back({number(all.substr(0, colon), text), number(all.substr(colon + 1), text)});
  }
  return ramp;
}

void check_ramp(const BatchShape& shape) {
  const auto require = [](bool ok, const std::string& text) {
    if (!ok) throw Error(ErrorCode::invalid_argument, text);
  };
  if (shape.ramp.empty()) return;
  require(shape.ramp.front().step == 0,
          fmt::format("a ramp must begin at step 0, got {}", shape.ramp.front().step));
  std::int64_t before = -1, most = 0;
  for (const auto& [step, leaves] : shape.ramp) {
    require(step > before,
            fmt::format("a ramp's steps must ascend, got {} after {}", step, before));
    require(leaves >= 1 && std::has_single_bit(static_cast<std::uint64_t>(leaves)),
            fmt::format("a ramp's leaves must be a power of two, got {} from step {} on", leaves,
                        step));
    require(
        leaves <= shape.leaves,
        fmt::format(
            "a ramp's leaves must be at most the {} of the global batch, got {} from step {} on",
            shape.leaves, leaves, step));
    before = step;
    most = std::max(most, leaves);
  }
  require(most == shape.leaves,
          fmt::format("a ramp must reach the {} leaves of the global batch, its most is {}",
                      shape.leaves, most));
}

std::string describe_ramp(const BatchShape& shape) {
  std::string text = fmt::format("{} leaves", shape.leaves_at(0));
  for (std::size_t i = 1; i < shape.ramp.size(); ++i)
    text += fmt::format(", from step {} on {}", shape.ramp[i].step, shape.ramp[i].leaves);
  return text;
}

}  // namespace gigatrain
