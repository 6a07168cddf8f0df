#include "cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "gigatrain/base/integers.h"
#include "gigatrain/runtime/environment.h"
#include "runtime/cuda_plugin.h"

namespace gigatrain::tools {

namespace {

// The disk refused a checkpoint, or would.
bool is_of_saving(const Error& error) {
  return std::any_of(error.frames().begin(), error.frames().end(), [](const std::string& frame) {
    return frame.starts_with("while saving checkpoint") || frame.starts_with("while trying out");
  });
}

}  // namespace

int exit_code(const Error& error) {
  switch (error.code()) {
    case ErrorCode::invalid_argument:
      return kUsage;
    case ErrorCode::data:
      return kData;
    case ErrorCode::io:
      return is_of_saving(error) ? kCheckpoint : kData;
    case ErrorCode::unsupported:
    case ErrorCode::out_of_memory:
    case ErrorCode::device:
      return kDevice;
    case ErrorCode::communication:
    case ErrorCode::timeout:
      return kDistributed;
    case ErrorCode::corrupt:
      return kCheckpoint;
    case ErrorCode::cancelled:
      return kStopped;
  }
  return kInternal;
}

void print_error(const Error& error) {
  const bool color = isatty(2) && !Environment::read().no_color;
  std::string text = fmt::format("{}error:{} {}\n", color ? "\033[1;31m" : "",
                                 color ? "\033[0m" : "", error.message());
  for (const auto& frame : error.frames()) text += "  " + frame + "\n";
  if (!error.next().empty()) text += "  next: " + error.next() + "\n";
  std::fputs(text.c_str(), stderr);
}

std::unique_ptr<Device> make_device(const Globals& globals, int ranks, int rank) {
  if (ranks == 1) require_one_rank(globals);
  if (ranks > 1 && globals.tune)
    throw Error(ErrorCode::unsupported,
                fmt::format("--tune is for one rank, got --ranks {}: each would choose by its own "
                            "timing, and the choices differ in bits",
                            ranks),
                "leave --tune out, or tune on one rank and continue its run on several");
  CudaOptions cuda{.tf32 = globals.tf32, .measure = globals.tune};
  if (ranks > 1 && globals.device != "cpu") cuda.ordinal = rank % std::max(1, cuda_device_count());
  return open_device(globals.device, cuda, ranks);
}

int ranks_on_one_gpu(int ranks) {
  return static_cast<int>(ceil_div(ranks, std::max(1, cuda_device_count())));
}

void require_one_rank(const Globals& globals) {
  if (globals.ranks == 1) return;
  throw Error(globals.ranks < 1 ? ErrorCode::invalid_argument : ErrorCode::unsupported,
              fmt::format("this command runs one rank, got --ranks {}", globals.ranks),
              "leave --ranks out; one rank already uses every core");
}

}  // namespace gigatrain::tools
