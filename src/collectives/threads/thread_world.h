// What the thread ranks of one program share. An operation's parts meet in a Slot; when the last
// part is there the slot is complete and every receiver gets a task to copy; nothing ever blocks
// inside, so ranks may wait for operations in any order. One mutex guards all of it; bytes are
// copied outside. Of a device's memory a task is to queue the copies.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/runtime/backend.h"

namespace gigatrain::collectives {

struct ThreadWork;

// One operation of a group: the parts of its ranks that have come, by rank of the group.
struct Slot {
  std::vector<ThreadWork*> parts;
  int missing = 0;
  int copying = 0;  // receivers that are at it
  // Of a device's memory, by receiver: its copies are done. Written once, before any work that they
  // concern is over.
  std::vector<std::unique_ptr<Marker>> copied;
};

// A group as all its members see it.
struct SharedGroup {
  Group facts;  // `rank` and `device` have no meaning here
  // (-1, -1, number) of a collective; (from, to, number) of a message.
  using Key = std::tuple<int, int, std::int64_t>;
  std::map<Key, std::shared_ptr<Slot>> open;  // not complete
};

struct Failure {
  ErrorCode code = ErrorCode::communication;
  int rank = 0;  // whose exception tells most
  std::string message = {}, next = {};

  Error error() const { return Error(code, message, next); }
};

// One rank's part in one operation. Lives as long as its Work, which waits for it: once `over`, no
// other thread touches it.
struct ThreadWork {
  Transfer transfer;
  std::shared_ptr<SharedGroup> group;
  std::shared_ptr<Slot> slot;
  int rank = 0;             // of the program
  std::int64_t number = 0;  // in the rank's log
  std::chrono::steady_clock::time_point deadline{};
  double timeout_s = 0;
  int pending = 0;       // copies into and out of its buffers
  bool awaited = false;  // its rank waits for it, so can copy
  std::atomic<bool> done{false};
  // Of a device's memory: its number, the queue that brings what is received, and the point in the
  // device's own queue at the call.
  int ordinal = 0;
  std::shared_ptr<CopyQueue> copies;
  std::unique_ptr<Marker> ready;
};

class ThreadWorld {
 public:
  ThreadWorld(int ranks, std::function<void(const Error&)> on_failure);
  ~ThreadWorld();
  ThreadWorld(const ThreadWorld&) = delete;
  ThreadWorld& operator=(const ThreadWorld&) = delete;

  // The group of that id, made by whichever member comes first.
  std::shared_ptr<SharedGroup> join(const Group& group);
  const std::shared_ptr<OperationLog>& log(int rank) { return at(rank).log; }

  void submit(ThreadWork& work);  // throws the failure
  bool over(ThreadWork& work);
  void wait(ThreadWork& work);  // throws the failure, unless the work is done
  void cancel(ThreadWork& work, const std::string& why);
  void abort(int rank, const std::string& reason);

  // The rank's program has ended, by an exception that said so, or well.
  void leave(int rank, const std::string* exception);
  std::optional<Failure> failure();

  // What is held at this moment, for tests.
  struct Held {
    std::size_t groups = 0, slots = 0, tasks = 0;
  };
  Held held();

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct Rank {
    std::shared_ptr<OperationLog> log = std::make_shared<OperationLog>();
    std::condition_variable changed;    // an operation is over
    std::condition_variable has_tasks;  // for the copier
    std::deque<ThreadWork*> tasks;
    bool left = false;
    std::thread copier;
  };
  Rank& at(int rank) { return *ranks_[static_cast<std::size_t>(rank)]; }

  void stop();
  bool is_over(const ThreadWork& work) const {
    return work.done || (failure_ && work.slot->copying == 0);
  }

  // copies.cpp
  void hand_out(Slot& slot);
  void copy_now(Slot& slot);
  void copy_tasks(Rank& rank);              // the copier's loop
  void copy(ThreadWork& work, Lock& lock);  // one receiver's pieces; unlocks meanwhile
  std::optional<Failure> try_copy(const ThreadWork& work);
  void settle(ThreadWork& work);  // one copy less to wait for
  // A copy that work waits for and no thread has begun, the rank's own first; null: none.
  ThreadWork* take_task(const ThreadWork& work);

  // thread_failure.cpp
  void require_equal(const ThreadWork& mine, const ThreadWork& other, Lock& lock);
  void require_pairs(const ThreadWork& work, Lock& lock);
  void require_present(const ThreadWork& work, Lock& lock);
  void fail(Failure failure, Lock& lock);  // the first one counts
  void fail_late(const ThreadWork& work, Lock& lock);
  [[noreturn]] void refuse(const ThreadWork& work, Failure failure, Lock& lock);
  Failure left_early(int rank, const ThreadWork& waiting);
  std::vector<int> missing_ranks(const ThreadWork& work) const;
  std::string last_seen(int rank) { return at(rank).log->last_seen(); }
  [[noreturn]] void throw_failure(const Lock& /*held*/) { throw failure_->error(); }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::map<std::uint64_t, std::weak_ptr<SharedGroup>> groups_;
  std::optional<Failure> failure_;
  std::function<void(const Error&)> on_failure_;
  bool stop_ = false;
};

// Whose ranks these are; null: no threads'.
std::shared_ptr<ThreadWorld> world_of(const Communicator& communicator);

}  // namespace gigatrain::collectives
