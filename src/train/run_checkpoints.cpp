#include "train/run_checkpoints.h"

#include <fmt/format.h>

#include <utility>

#include "base/timer.h"
#include "train/run_state.h"

namespace gigatrain {

RunCheckpoints::RunCheckpoints(Options options, const Source& source)
    : options_(std::move(options)), source_(source), writer_(options_.files, options_.root) {}

CheckpointOptions RunCheckpoints::options_of(bool is_best) const {
  return {.keep = options_.keep, .is_best = is_best};
}

void RunCheckpoints::save_in_background(const TrainState& state, bool is_best) {
  const Timer waiting;
  wait_for_the_one_before(state.step);
  auto contents = source_.ranks
                      ? gather_contents(source_.model, source_.optimizer, source_.tokenizer, state,
                                        *source_.ranks)
                      : snapshot_.take(source_.model, source_.optimizer, source_.tokenizer, state);
  if (!writes()) return;
  writer_.begin(std::move(contents), options_of(is_best), waiting.ms());
}

void RunCheckpoints::save(const TrainState& state, bool is_best) {
  const Timer waiting;
  settle();
  const auto contents = source_.ranks ? gather_contents(source_.model, source_.optimizer,
                                                        source_.tokenizer, state, *source_.ranks)
                                      : checkpoint_contents(source_.model, source_.optimizer,
                                                            source_.tokenizer, state);
  if (!writes()) return;
  const Timer writing;
  BackgroundWriter::Saved saved{
      .written = write_checkpoint(options_.files, options_.root, contents, options_of(is_best)),
      .step = state.step,
      .tokens = state.tokens};
  saved.write_ms = writing.ms();
  saved.stall_ms = waiting.ms();
  options_.on_saved(saved);
}

void RunCheckpoints::wait_for_the_one_before(std::int64_t step) {
  poll();
  const auto before = writer_.in_flight();
  if (!before) return;
  const Timer waiting;
  settle();
  options_.on_warning(
      fmt::format("saving step {} waited {:.1f} s for the checkpoint of step {}, which was still "
                  "being written: raise checkpoint.every, or save to a faster disk",
                  step, waiting.ms() / 1e3, *before));
}

void RunCheckpoints::poll() {
  if (const auto saved = writer_.poll()) options_.on_saved(*saved);
}

void RunCheckpoints::settle() {
  if (const auto saved = writer_.wait()) options_.on_saved(*saved);
}

}  // namespace gigatrain
