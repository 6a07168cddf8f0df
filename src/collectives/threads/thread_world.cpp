#include "collectives/threads/thread_world.h"

#include <algorithm>

#include "collectives/local.h"

namespace gigatrain::collectives {

namespace {

// Up to so many bytes the rank that completes an operation copies for all: handing them to other
// threads would take longer.
constexpr std::int64_t kCopyAtOnce = 16 * 1024;

int rank_of(const ThreadWork& work) {
  const auto& members = work.group->facts.members;
  return static_cast<int>(std::find(members.begin(), members.end(), work.rank) - members.begin());
}

SharedGroup::Key key_of(const ThreadWork& work) {
  const Fingerprint& what = work.transfer.record.what;
  if (what.operation == Collective::send) return {rank_of(work), what.root, what.sequence};
  if (what.operation == Collective::recv) return {what.root, rank_of(work), what.sequence};
  return {-1, -1, what.sequence};
}

template <class F>
void for_each_source(const Slot& slot, const ThreadWork& receiver, F f) {
  const auto& pieces = receiver.transfer.receive;
  for (std::size_t r = 0; r < pieces.size(); ++r)
    if (pieces[r].bytes > 0) f(*slot.parts[r], pieces[r]);
}

void copy_pieces(const ThreadWork& receiver) {
  const auto me = static_cast<std::size_t>(rank_of(receiver));
  for_each_source(*receiver.slot, receiver, [&](ThreadWork& from, const Transfer::Piece& to) {
    copy_piece(to, from.transfer.send[me]);
  });
  if (receiver.transfer.finish) receiver.transfer.finish();
}

}  // namespace

ThreadWorld::ThreadWorld(int ranks, std::function<void(const Error&)> on_failure)
    : on_failure_(std::move(on_failure)) {
  for (int r = 0; r < ranks; ++r) ranks_.push_back(std::make_unique<Rank>());
  try {
    for (auto& rank : ranks_)
      rank->copier = std::thread([this, one = rank.get()] { copy_tasks(*one); });
  } catch (...) {  // no more threads
    stop();
    throw;
  }
}

ThreadWorld::~ThreadWorld() {
  stop();
}

void ThreadWorld::stop() {
  {
    const Lock lock(mutex_);
    stop_ = true;
  }
  for (auto& rank : ranks_) {
    rank->has_tasks.notify_all();
    if (rank->copier.joinable()) rank->copier.join();
  }
}

std::shared_ptr<SharedGroup> ThreadWorld::join(const Group& group) {
  const Lock lock(mutex_);
  std::erase_if(groups_, [](const auto& known) { return known.second.expired(); });
  auto& known = groups_[group.id];
  auto shared = known.lock();
  if (!shared) {
    shared = std::make_shared<SharedGroup>();
    shared->facts = group;
    known = shared;
  }
  return shared;
}

void ThreadWorld::submit(ThreadWork& work) {
  Lock lock(mutex_);
  if (failure_) throw_failure(lock);
  const std::size_t size = work.group->facts.members.size();
  const SharedGroup::Key key = key_of(work);
  auto& open = work.group->open[key];
  if (!open) {
    open = std::make_shared<Slot>();
    open->parts.resize(size);
    open->missing = std::get<0>(key) < 0 ? static_cast<int>(size) : 2;
  }
  work.slot = open;
  work.number = at(work.rank).log->add(work.transfer.record);
  for (const ThreadWork* other : open->parts)
    if (other) {
      require_equal(work, *other, lock);
      break;
    }
  open->parts[static_cast<std::size_t>(rank_of(work))] = &work;
  if (--open->missing > 0) return require_present(work, lock);
  work.group->open.erase(key);
  require_pairs(work, lock);
  hand_out(*work.slot);
}

// The slot is complete: everybody's buffers are known.
void ThreadWorld::hand_out(Slot& slot) {
  std::int64_t bytes = 0;
  for (ThreadWork* part : slot.parts) {
    if (!part) continue;
    at(part->rank).log->begin(part->number);
    ++part->pending;  // its own copying
    for_each_source(slot, *part, [&](ThreadWork& from, const Transfer::Piece& to) {
      bytes += to.bytes;
      if (&from != part) ++from.pending;
    });
  }
  if (bytes <= kCopyAtOnce) return copy_now(slot);
  for (ThreadWork* part : slot.parts) {
    if (!part) continue;
    at(part->rank).tasks.push_back(part);
    at(part->rank).has_tasks.notify_one();
  }
}

void ThreadWorld::copy_now(Slot& slot) {
  for (ThreadWork* part : slot.parts)
    if (part) copy_pieces(*part);
  for (ThreadWork* part : slot.parts) {
    if (!part) continue;
    part->pending = 1;
    settle(*part);
  }
}

void ThreadWorld::copy_tasks(Rank& rank) {
  Lock lock(mutex_);
  for (;;) {
    rank.has_tasks.wait(lock, [&] { return stop_ || (!failure_ && !rank.tasks.empty()); });
    if (stop_) return;
    ThreadWork& work = *rank.tasks.front();
    rank.tasks.pop_front();
    copy(work, lock);
  }
}

void ThreadWorld::copy(ThreadWork& work, Lock& lock) {
  const auto slot = work.slot;
  const auto group = work.group;
  ++slot->copying;  // from here on a failure waits for this copy before anybody's buffer is freed
  lock.unlock();
  copy_pieces(work);
  lock.lock();
  --slot->copying;
  if (failure_) {
    for (const int rank : group->facts.members) at(rank).changed.notify_all();
    return;
  }
  for_each_source(*slot, work, [&](ThreadWork& from, const Transfer::Piece&) {
    if (&from != &work) settle(from);
  });
  settle(work);
}

void ThreadWorld::settle(ThreadWork& work) {
  if (--work.pending > 0) return;
  Rank& rank = at(work.rank);
  rank.log->end(work.number, OperationRecord::State::done);
  work.done.store(true, std::memory_order_release);
  rank.changed.notify_all();
}

bool ThreadWorld::take_task(ThreadWork& work) {
  auto& tasks = at(work.rank).tasks;
  const auto task = std::find(tasks.begin(), tasks.end(), &work);
  if (failure_ || task == tasks.end()) return false;
  tasks.erase(task);
  return true;
}

bool ThreadWorld::over(ThreadWork& work) {
  Lock lock(mutex_);
  if (!is_over(work) && std::chrono::steady_clock::now() >= work.deadline) fail_late(work, lock);
  return is_over(work);
}

void ThreadWorld::wait(ThreadWork& work) {
  Lock lock(mutex_);
  if (take_task(work)) copy(work, lock);
  Rank& rank = at(work.rank);
  const auto over = [&] { return is_over(work); };
  if (!rank.changed.wait_until(lock, work.deadline, over)) {
    fail_late(work, lock);
    rank.changed.wait(lock, over);  // a copy that has begun ends
  }
  if (work.done) return;
  rank.log->end(work.number, OperationRecord::State::failed);
  throw_failure(lock);
}

std::optional<Failure> ThreadWorld::failure() {
  const Lock lock(mutex_);
  return failure_;
}

}  // namespace gigatrain::collectives
