#include "gigatrain/collectives/work.h"

namespace gigatrain {

Work& Work::operator=(Work&& other) noexcept {
  if (this == &other) return *this;
  finish_quietly();
  state_ = std::move(other.state_);
  kept_ = std::move(other.kept_);
  return *this;
}

void Work::wait() {
  const auto state = std::move(state_);  // also when it throws: over is over
  const auto kept = std::move(kept_);
  if (state) state->wait();
}

void Work::finish_quietly() noexcept {
  try {
    if (state_ && std::uncaught_exceptions() > unwinding_)
      state_->cancel("an exception left the code that waits for it");
    wait();
  } catch (...) {  // the group is poisoned: its next call says why
  }
}

}  // namespace gigatrain
