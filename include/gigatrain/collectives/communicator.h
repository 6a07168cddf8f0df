// Moves data between the ranks of one group; it never adds numbers that reach weights (that is
// parallel/tree_reduce.h). Every operation is asynchronous and has a deadline. Ranks call the same
// operations of a group in the same order; a call that differs is refused before data move. After a
// failure the group, and every group with a common ancestor, is poisoned: each call says the first
// cause. Buffers are contiguous, in host memory or, with on(), in a device's. One thread at a time
// uses a communicator.
//
//   Work work = comm.all_gather(mine.view(), all.view());   // (n) each, (size * n)
//   ...                                                     // compute meanwhile
//   work.wait();
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gigatrain/base/tensor_view.h"
#include "gigatrain/collectives/operation.h"
#include "gigatrain/collectives/work.h"

namespace gigatrain {

class Device;

// The ranks of a communicator, which of them this one is, and where its buffers are.
struct Group {
  std::uint64_t id = 0;  // the same on every member, no other group's
  std::shared_ptr<const std::string> name;
  std::vector<int> members;  // ranks of the program, by rank of the group
  int rank = 0;
  Device* device = nullptr;  // this rank's; null: host memory
};

// What a transport has to do: send[r] goes to member r, receive[r] comes from it. A transport may
// look at record.what.operation and call the collective of its library.
struct Transfer {
  struct Piece {
    void* data = nullptr;
    std::int64_t bytes = 0;
  };
  OperationRecord record;
  std::vector<Piece> send, receive;  // one a member
  Device* device = nullptr;          // whose memory the pieces are; null: the host's
  // Of host memory: to be called when the pieces are there, before it is over.
  std::function<void()> finish;
};

class Communicator {
 public:
  using At = SourceLocation;
  using Counts = std::span<const std::int64_t>;  // elements of each rank
  using Views = std::span<const TensorView>;     // one for each rank

  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return group_.rank; }
  int size() const { return static_cast<int>(group_.members.size()); }
  const std::string& name() const { return *group_.name; }
  int program_rank(int rank) const { return group_.members[static_cast<std::size_t>(rank)]; }

  // Rank r's part number s of `send` becomes part r of rank s's `receive`. Equal parts of a buffer;
  // or a view for each rank, of any size and anywhere: what r sends to s must be as long as what s
  // expects of r, perhaps nothing. No two of them share memory.
  Work all_to_all(const TensorView& send, const TensorView& receive, At at = At::current());
  Work all_to_all(Views send, Views receive, At at = At::current());
  // `receive` gets every rank's `send`, in rank order; `counts`: elements of each rank. `send` may
  // be this rank's part of `receive`.
  Work all_gather(const TensorView& send, const TensorView& receive, At at = At::current());
  Work all_gather(const TensorView& send, const TensorView& receive, Counts counts,
                  At at = At::current());
  Work broadcast(const TensorView& buffer, int root, At at = At::current());
  // The root's `receive` gets every rank's `send`; other ranks' `receive` is not looked at.
  Work gather(const TensorView& send, const TensorView& receive, int root, At at = At::current());
  // Part r of the root's `send` goes to rank r; other ranks' `send` is not looked at.
  Work scatter(const TensorView& send, const TensorView& receive, int root, At at = At::current());
  // The messages from one rank to another arrive in their order; nothing orders them among other
  // operations, so two ranks may send to each other at once.
  Work send(const TensorView& buffer, int to, At at = At::current());
  Work recv(const TensorView& buffer, int from, At at = At::current());
  // Over when every rank has called it.
  Work barrier(At at = At::current());

  // Element by element over the ranks, in rank order, in place; for counters and scalars: u8, i32,
  // i64 (sums wrap) and f64 (a NaN wins). Every rank takes every rank's values. Host memory only.
  Work all_reduce(const TensorView& values, Reduce reduce, At at = At::current());
  // Blocks. T: std::uint8_t, std::int32_t, std::int64_t, double. In every group.
  template <class T>
  T all_reduce(T value, Reduce reduce, At at = At::current()) {
    reduce_on_host(TensorView(&value, dtype_of<T>::value, {1}), reduce, at).wait();
    return value;
  }

  // A group of the same ranks whose buffers, and those of groups made from it, are memory of this
  // rank's `device`. A call sends what the device's queue has written by then, and receives after
  // what the queue still reads; the data move beside the work that follows. Work::wait() makes that
  // queue wait for them, not the host, which only waits until the other ranks have called too. So a
  // buffer stays untouched from the call to wait(), and belongs to the queue again afterwards.
  // Blocks; every rank calls it, with a device of one kind, which outlives the group. On a CPU the
  // buffers are host memory as ever.
  //
  //   const auto group = world.on(device);   // then group->all_gather(...)
  std::unique_ptr<Communicator> on(Device& device, At at = At::current());
  // A group of the ranks that give the same `color`, ordered by `key`, then rank; null for a color
  // below 0. Blocks; every rank calls it. A group of one rank costs nothing. `name`: for messages.
  std::unique_ptr<Communicator> split(int color, int key, const std::string& name = {},
                                      At at = At::current());
  // A group of this rank alone, which needs no other rank to make it.
  std::unique_ptr<Communicator> alone(const std::string& name) const;
  // Ends every operation of every rank with an error that gives this reason.
  virtual void abort(const std::string& reason) = 0;

  // Where this rank's program is, such as "step 12, phase backward": for messages and the record.
  // One a rank, whatever the communicator.
  void set_label(std::string label) { log_->set_label(std::move(label)); }
  const OperationLog& log() const { return *log_; }

 protected:
  Communicator(Group group, std::shared_ptr<OperationLog> log)
      : group_(std::move(group)), log_(std::move(log)) {}
  const Group& group() const { return group_; }
  const std::shared_ptr<OperationLog>& shared_log() const { return log_; }

  // Begins the transfer, which has been checked as far as one rank can. Throws if the group is
  // poisoned or the transfer's fingerprint differs from another rank's. Of a device's memory, what
  // its queue has been given by now comes before the copies; the state's wait() makes the queue
  // wait.
  virtual std::unique_ptr<WorkState> submit(Transfer transfer) = 0;
  // On each member of the new group, which has at least two; group.device may be another one.
  virtual std::unique_ptr<Communicator> subgroup(Group group) = 0;

 private:
  Transfer start(Fingerprint what, At at);  // adds the group and, to collectives, their number
  Transfer start_message(Collective operation, const TensorView& buffer, int peer, At at);
  Work go(Transfer transfer);
  Work reduce_on_host(const TensorView& values, Reduce reduce, At at);
  // Every rank's `bytes` at `mine`, one after the other at `all`, in host memory. Blocks; the
  // number of the operation.
  std::int64_t exchange(Collective operation, const void* mine, void* all, std::int64_t bytes,
                        At at);
  void require_rank(int rank, const char* role) const;

  Group group_;
  std::shared_ptr<OperationLog> log_;
  std::int64_t sequence_ = 0;
  std::vector<std::int64_t> sent_, received_;  // messages to and from each rank
};

// A communicator of this rank alone: copies at once, needs no transport.
std::unique_ptr<Communicator> make_local_communicator();

}  // namespace gigatrain
