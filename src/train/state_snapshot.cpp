#include "train/state_snapshot.h"

#include <algorithm>

#include "base/stream_copy.h"
#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "train/run_state.h"

namespace gigatrain {

namespace {

constexpr std::int64_t kAlign = 64;
constexpr std::int64_t kPiece = 1 << 20;  // of a copy by one thread

std::int64_t room(const Tensor& tensor) {
  return round_up(tensor.view().bytes(), kAlign);
}

struct CopyJob {
  std::byte* to;
  const std::byte* from;
  std::int64_t bytes;
};

// All of them by all threads, cut evenly whatever the tensors' sizes.
void copy_by_pool(ThreadPool& pool, const std::vector<CopyJob>& jobs) {
  std::vector<CopyJob> pieces;
  for (const auto& job : jobs)
    for (std::int64_t at = 0; at < job.bytes; at += kPiece)
      pieces.push_back({job.to + at, job.from + at, std::min(kPiece, job.bytes - at)});
  pool.parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i, int) {
    const CopyJob& piece = pieces[static_cast<std::size_t>(i)];
    stream_copy(piece.to, piece.from, static_cast<std::size_t>(piece.bytes));
  });
}

// By the device's queue, without a wait between two tensors.
void copy_by_queue(Device& device, const std::vector<CopyJob>& jobs) {
  for (const auto& job : jobs) device.download(job.to, job.from, job.bytes);
  device.synchronize();
}

}  // namespace

void StateSnapshot::reserve(nn::Model& model, optim::Optimizer& optimizer) {
  const LiveState live = live_state(model, optimizer);
  std::int64_t bytes = 0;
  for (const auto* part : {&live.model, &live.optimizer})
    for (const auto& t : *part) bytes += room(t.tensor);
  if (memory_ && memory_.bytes() == bytes) return;
  memory_ = {};
  Device& device = live.model.front().tensor.device();
  try {
    memory_ = Storage(device.host().allocator(), bytes, {Purpose::data, "checkpoint snapshot"});
  } catch (const Error& e) {
    throw Error(e.code(), e.message(),
                "set checkpoint.async = false: saves then need no copy of the state, and training "
                "waits for them");
  }
}

CheckpointContents StateSnapshot::take(nn::Model& model, optim::Optimizer& optimizer,
                                       const Tokenizer* tokenizer, TrainState state) {
  reserve(model, optimizer);
  const LiveState live = live_state(model, optimizer);
  auto* to = static_cast<std::byte*>(memory_.data());
  std::vector<CopyJob> jobs;
  const auto copies_of = [&](const std::vector<optim::NamedState>& tensors) {
    std::vector<NamedView> views;
    for (const auto& t : tensors) {
      const TensorView& view = t.tensor.view();
      if (!view.is_contiguous())
        throw Error(ErrorCode::invalid_argument,
                    "cannot store tensor '" + t.name + "': it must be contiguous");
      views.push_back({t.name, TensorView(to, view.dtype, view.shape)});
      jobs.push_back({to, static_cast<const std::byte*>(view.data), view.bytes()});
      to += room(t.tensor);
    }
    return views;
  };
  CheckpointContents contents;
  contents.model = copies_of(live.model);
  contents.optimizer = copies_of(live.optimizer);
  describe(contents, model, tokenizer, std::move(state));
  Device& device = live.model.front().tensor.device();
  device.is_cpu() ? copy_by_pool(device.pool(), jobs) : copy_by_queue(device, jobs);
  return contents;
}

}  // namespace gigatrain
