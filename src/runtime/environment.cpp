#include "gigatrain/runtime/environment.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

Bf16Products read_bf16(std::string_view text) {
  const Bf16Products best = CpuFeatures::get().bf16;
  std::string usable;
  for (const auto p : {Bf16Products::widened, Bf16Products::avx512_bf16, Bf16Products::amx}) {
    if (p > best) break;
    if (text == name(p)) return p;
    usable += fmt::format("{}{}", usable.empty() ? "" : ", ", name(p));
  }
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("GIGATRAIN_BF16 must be one of {} on this processor, got '{}'", usable, text),
      "unset GIGATRAIN_BF16 for the fastest");
}

double read_timeout(std::string_view text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds > 0 && seconds <= 1e6))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("GIGATRAIN_TIMEOUT_S must be above 0 and at most 1e6, got '{}'", text),
                "unset GIGATRAIN_TIMEOUT_S for 300");
  return seconds;
}

}  // namespace

Environment Environment::read() {
  Environment e;
  if (const char* text = std::getenv("GIGATRAIN_NUM_THREADS"); text && *text) {
    const std::string_view v(text);
    const auto [end, error] = std::from_chars(v.data(), v.data() + v.size(), e.num_threads);
    if (error != std::errc() || end != v.data() + v.size() || e.num_threads < 1 ||
        e.num_threads > 4096)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("GIGATRAIN_NUM_THREADS must be a whole number from 1 to 4096, got '{}'", v),
          "unset GIGATRAIN_NUM_THREADS to use every core");
  }
  const auto is_set = [](const char* name) {
    const char* text = std::getenv(name);
    return text && *text;
  };
  if (is_set("GIGATRAIN_DEVICE")) e.device = std::getenv("GIGATRAIN_DEVICE");
  if (is_set("GIGATRAIN_BF16")) e.bf16 = read_bf16(std::getenv("GIGATRAIN_BF16"));
  if (is_set("GIGATRAIN_TIMEOUT_S")) e.timeout_s = read_timeout(std::getenv("GIGATRAIN_TIMEOUT_S"));
  e.cuda_sync = is_set("GIGATRAIN_CUDA_SYNC");
  e.trace = is_set("GIGATRAIN_TRACE");
  e.no_color = is_set("NO_COLOR");
  return e;
}

}  // namespace gigatrain
