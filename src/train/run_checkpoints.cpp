#include "train/run_checkpoints.h"

#include <fmt/format.h>

#include <utility>

#include "gigatrain/base/error.h"
#include "train/run_state.h"

namespace gigatrain {

RunCheckpoints::RunCheckpoints(Options options, const Source& source)
    : options_(std::move(options)),
      source_(source),
      alone_(source.ranks ? nullptr : make_local_communicator()),
      ranks_(source.ranks ? *source.ranks : *alone_),
      snapshot_(options_.checkpoint.max_file_bytes) {}

void RunCheckpoints::begin(const TrainState& state, bool is_best, StateSnapshot::Values values) {
  InFlight next{.save = nullptr, .tokens = state.tokens};
  auto part = snapshot_.take(source_.model, source_.optimizer, ranks_, values);
  CheckpointSave::Request request{.root = options_.root,
                                  .texts = texts_of(source_.model, source_.tokenizer, state),
                                  .options = options_.checkpoint,
                                  .in_background = values == StateSnapshot::Values::copies,
                                  .bandwidth = options_.bandwidth};
  request.options.is_best = is_best;
  next.save = std::make_unique<CheckpointSave>(*options_.files, ranks_, std::move(request),
                                               std::move(part));
  in_flight_ = std::move(next);
}

void RunCheckpoints::save_in_background(const TrainState& state, bool is_best) {
  const Timer waiting;
  wait_for_the_one_before(state.step);
  or_warn(state.step, [&] {
    begin(state, is_best, StateSnapshot::Values::copies);
    in_flight_->stall_ms = waiting.ms();
  });
}

void RunCheckpoints::save(const TrainState& state, bool is_best) {
  settle();
  const Timer waiting;
  begin(state, is_best, StateSnapshot::Values::live);
  try {
    in_flight_->save->wait();
  } catch (const Error&) {
    in_flight_.reset();
    throw;
  }
  in_flight_->stall_ms = waiting.ms();
  finish();
}

void RunCheckpoints::wait_for_the_one_before(std::int64_t step) {
  poll();
  if (!in_flight_) return;
  const std::int64_t before = in_flight_->save->step();
  const Timer waiting;
  settle();
  if (!leads() || std::exchange(told_to_wait_, true)) return;
  options_.on_warning(fmt::format(
      "saving step {} waited {:.1f} s for the checkpoint of step {}, which was still being "
      "written: raise checkpoint.every, or save to a faster disk (said once)",
      step, waiting.ms() / 1e3, before));
}

void RunCheckpoints::poll() {
  if (!in_flight_) return;
  or_warn(in_flight_->save->step(), [&] {
    if (in_flight_->save->poll()) finish();
  });
}

void RunCheckpoints::settle() {
  if (!in_flight_) return;
  or_warn(in_flight_->save->step(), [&] {
    in_flight_->save->wait();
    finish();
  });
}

void RunCheckpoints::finish() {
  const InFlight over = std::move(*in_flight_);
  in_flight_.reset();
  if (!leads()) return;
  options_.on_saved({.written = over.save->written(),
                     .step = over.save->step(),
                     .tokens = over.tokens,
                     .stall_ms = over.stall_ms,
                     .write_ms = over.since.ms()});
}

// What the disk refuses costs this checkpoint, not the run; what ranks cannot tell each other does.
void RunCheckpoints::or_warn(std::int64_t step, const std::function<void()>& saving) {
  try {
    saving();
  } catch (const Error& e) {
    in_flight_.reset();
    if (e.code() != ErrorCode::io && e.code() != ErrorCode::out_of_memory) throw;
    if (leads())
      options_.on_warning(fmt::format(
          "checkpoint {} was not saved; the one before it stays, and training goes on: {}",
          step_folder_name(step), e.what()));
  }
}

}  // namespace gigatrain
