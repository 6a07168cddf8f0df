#include "train/state_snapshot.h"

#include <algorithm>
#include <utility>

#include "base/stream_copy.h"
#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "train/gathered_state.h"
#include "train/run_state.h"

namespace gigatrain {

namespace {

using optim::NamedState;

constexpr std::int64_t kAlign = 64;
constexpr std::int64_t kPiece = 1 << 20;  // of a copy by one thread

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

// Which of a rank's tensors need memory: in `live`, only those that others have parts of.
class Rooms {
 public:
  Rooms(StateSnapshot::Values values, Device& device)
      : all_(values == StateSnapshot::Values::copies || !device.host_memory()) {}
  bool has_weight(const NamedState& s) const { return all_ || s.shared; }
  bool has_state() const { return all_; }

  std::int64_t bytes(const LiveState& live, const CheckpointLayout& layout, int rank) const {
    std::int64_t sum = 0;
    for (const auto& file : layout.model_files())
      for (const std::size_t t : file.tensors)
        if (file.rank == rank && has_weight(live.model[t])) sum += room(bytes_of(live.model[t]));
    for (std::size_t i = 0; i < live.optimizer.size(); ++i)
      if (has_state() && layout.writes(rank, i))
        sum += room(live.optimizer[i].tensor.view().bytes());
    return sum;
  }
  static std::int64_t room(std::int64_t bytes) { return round_up(bytes, kAlign); }

 private:
  bool all_;
};

// Fills a rank's part.
class PartMaker {
 public:
  PartMaker(const LiveState& live, const CheckpointLayout& layout, Communicator& ranks, Rooms rooms,
            void* memory)
      : live_(live),
        layout_(layout),
        ranks_(ranks),
        rooms_(rooms),
        weights_(live.model, ranks),
        free_(static_cast<std::byte*>(memory)) {}

  CheckpointPart make() {
    CheckpointPart part;
    for (const auto& file : layout_.model_files()) {
      PartFile made = weights_of(file);
      if (file.rank == ranks_.rank()) part.files.push_back(std::move(made));
    }
    part.files.push_back(optimizer_state());
    Device& device = live_.model.front().tensor.device();
    device.is_cpu() ? copy_by_pool(device.pool(), jobs_) : copy_by_queue(device, jobs_);
    return part;
  }

 private:
  PartFile weights_of(const CheckpointLayout::ModelFile& file) {
    PartFile made{file.name, kModelMetadata, {}};
    const bool here = file.rank == ranks_.rank();
    for (const std::size_t t : file.tensors) {
      const NamedState& s = live_.model[t];
      TensorView view;
      if (here) view = rooms_.has_weight(s) ? take_room(s, s.whole) : own_view(s);
      if (s.shared)
        weights_.gather(t, file.rank, view);
      else if (here && rooms_.has_weight(s))
        copy(s, view);
      if (here) made.tensors.push_back({s.name, view, s.whole, 0});
    }
    return made;
  }

  PartFile optimizer_state() {
    PartFile made{layout_.optimizer_file(ranks_.rank()), {}, {}};
    for (std::size_t i = 0; i < live_.optimizer.size(); ++i) {
      const NamedState& s = live_.optimizer[i];
      const bool nothing = s.shared && s.tensor.numel() == 0;
      if (!layout_.writes(ranks_.rank(), i) || nothing) continue;
      TensorView view = own_view(s);
      if (rooms_.has_state()) copy(s, view = take_room(s, s.tensor.shape()));
      made.tensors.push_back({s.name, view, s.whole, s.begin});
    }
    return made;
  }

  static const TensorView& own_view(const NamedState& s) {
    const TensorView& view = s.tensor.view();
    if (!view.is_contiguous())
      throw Error(ErrorCode::invalid_argument,
                  "cannot store tensor '" + s.name + "': it must be contiguous");
    return view;
  }
  TensorView take_room(const NamedState& s, const Shape& shape) {
    const TensorView view(free_, s.tensor.dtype(), shape);
    free_ += Rooms::room(view.bytes());
    return view;
  }
  void copy(const NamedState& from, const TensorView& to) {
    jobs_.push_back({static_cast<std::byte*>(to.data),
                     static_cast<const std::byte*>(own_view(from).data), to.bytes()});
  }

  const LiveState& live_;
  const CheckpointLayout& layout_;
  Communicator& ranks_;
  Rooms rooms_;
  StateGatherer weights_;
  std::byte* free_;
  std::vector<CopyJob> jobs_;
};

}  // namespace

void StateSnapshot::reserve(Device& device, std::int64_t bytes) {
  if (bytes == 0 || (memory_ && memory_.bytes() >= bytes)) return;
  memory_ = {};
  try {
    memory_ = Storage(device.host().allocator(), bytes, {Purpose::data, "checkpoint snapshot"});
  } catch (const Error& e) {
    throw Error(e.code(), e.message(),
                "set checkpoint.async = false: saves then need no copy of the state, and training "
                "waits for them");
  }
}

std::int64_t StateSnapshot::bytes(nn::Model& model, optim::Optimizer& optimizer, int rank,
                                  int ranks) const {
  const LiveState live = live_state(model, optimizer);
  const Rooms rooms(Values::copies, live.model.front().tensor.device());
  return rooms.bytes(live, CheckpointLayout(live, ranks, max_file_bytes_), rank);
}

void StateSnapshot::reserve(nn::Model& model, optim::Optimizer& optimizer, int rank, int ranks) {
  Device& device = live_state(model, optimizer).model.front().tensor.device();
  reserve(device, bytes(model, optimizer, rank, ranks));
}

CheckpointPart StateSnapshot::take(nn::Model& model, optim::Optimizer& optimizer,
                                   Communicator& ranks, Values values) {
  const LiveState live = live_state(model, optimizer);
  Device& device = live.model.front().tensor.device();
  const CheckpointLayout layout(live, ranks.size(), max_file_bytes_);
  const Rooms rooms(values, device);
  reserve(device, rooms.bytes(live, layout, ranks.rank()));
  return PartMaker(live, layout, ranks, rooms, memory_ ? memory_.data() : nullptr).make();
}

}  // namespace gigatrain
