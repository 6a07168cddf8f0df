#include "train/background_writer.h"

#include <sys/resource.h>

#include <chrono>
#include <utility>

#include "base/timer.h"

namespace gigatrain {

namespace {

// A twentieth of a core where training wants them all, a whole one where it leaves one idle. On
// Linux the priority is the calling thread's own.
constexpr int kNicer = 13;

void give_way() {
  const int now = ::getpriority(PRIO_PROCESS, 0);
  ::setpriority(PRIO_PROCESS, 0, now + kNicer);  // a refusal costs speed only
}

}  // namespace

BackgroundWriter::BackgroundWriter(FileSystem& files, std::string ckpt_root)
    : files_(files), root_(std::move(ckpt_root)) {}

BackgroundWriter::~BackgroundWriter() = default;  // so does its future's

void BackgroundWriter::begin(CheckpointContents contents, const CheckpointOptions& options,
                             double stall_ms) {
  step_ = contents.state.step;
  job_ = std::async(std::launch::async, [this, contents = std::move(contents), options, stall_ms] {
    give_way();
    const Timer time;
    Saved saved{.written = write_checkpoint(files_, root_, contents, options),
                .step = contents.state.step,
                .tokens = contents.state.tokens,
                .stall_ms = stall_ms};
    saved.write_ms = time.ms();
    return saved;
  });
}

std::optional<std::int64_t> BackgroundWriter::in_flight() const {
  return job_.valid() ? std::optional(step_) : std::nullopt;
}

std::optional<BackgroundWriter::Saved> BackgroundWriter::poll() {
  if (!job_.valid() || job_.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    return std::nullopt;
  return job_.get();
}

std::optional<BackgroundWriter::Saved> BackgroundWriter::wait() {
  if (!job_.valid()) return std::nullopt;
  return job_.get();
}

}  // namespace gigatrain
