#include "collectives/threads/copies.h"

#include <fmt/format.h>

#include <algorithm>

#include "collectives/local.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain::collectives {

namespace {

// Up to so many bytes the rank that completes an operation copies for all: handing them to other
// threads would take longer.
constexpr std::int64_t kCopyAtOnce = 16 * 1024;

// f(the sender's work, the piece it is to fill), from the right neighbour on, so that not all read
// one rank's memory first.
template <class F>
void for_each_source(const Slot& slot, const ThreadWork& receiver, F f) {
  const auto& pieces = receiver.transfer.receive;
  const auto first = static_cast<std::size_t>(rank_of(receiver)) + 1;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::size_t r = (first + i) % pieces.size();
    if (pieces[r].bytes > 0) f(*slot.parts[r], pieces[r]);
  }
}

void queue_copies(const ThreadWork& receiver) {
  const auto me = static_cast<std::size_t>(rank_of(receiver));
  CopyQueue& copies = *receiver.copies;
  bool any = false;
  for_each_source(*receiver.slot, receiver, [&](ThreadWork& from, const Transfer::Piece& to) {
    const void* data = from.transfer.send[me].data;
    if (data == to.data) return;  // it is there
    if (!any) copies.wait(*receiver.ready);
    if (&from != &receiver) copies.wait(*from.ready);
    copies.copy(to.data, data, to.bytes, from.ordinal);
    any = true;
  });
  if (any) receiver.slot->copied[me] = copies.mark();
}

// Copies all pieces, or queues the copies: each after what its sender's and its receiver's queue
// had been given when they called. Throws Error(device).
void copy_pieces(const ThreadWork& receiver) {
  if (receiver.transfer.device) return queue_copies(receiver);
  const auto me = static_cast<std::size_t>(rank_of(receiver));
  for_each_source(*receiver.slot, receiver, [&](ThreadWork& from, const Transfer::Piece& to) {
    copy_piece(to, from.transfer.send[me]);
  });
  if (receiver.transfer.finish) receiver.transfer.finish();
}

template <class F>
void for_each_copy(const ThreadWork& work, F f) {
  const auto me = static_cast<std::size_t>(rank_of(work));
  const auto& copied = work.slot->copied;
  for (std::size_t r = 0; r < copied.size(); ++r)
    if ((r == me || work.transfer.send[r].bytes > 0) && copied[r]) f(*copied[r]);
}

}  // namespace

int rank_of(const ThreadWork& work) {
  const auto& members = work.group->facts.members;
  return static_cast<int>(std::find(members.begin(), members.end(), work.rank) - members.begin());
}

void follow_copies(const ThreadWork& work) {
  if (Device* device = work.transfer.device)
    for_each_copy(work, [&](Marker& copied) { device->wait(copied); });
}

void wait_for_copies(const ThreadWork& work) {
  if (work.transfer.device) for_each_copy(work, [](Marker& copied) { copied.wait(); });
}

// The slot is complete: everybody's buffers are known.
void ThreadWorld::hand_out(Slot& slot) {
  std::int64_t bytes = 0;
  bool at_once = true;
  for (ThreadWork* part : slot.parts) {
    if (!part) continue;
    if (part->transfer.device) at_once = false;  // queueing takes its time, whatever the bytes
    at(part->rank).log->begin(part->number);
    ++part->pending;  // its own copying
    for_each_source(slot, *part, [&](ThreadWork& from, const Transfer::Piece& to) {
      bytes += to.bytes;
      if (&from != part) ++from.pending;
    });
  }
  if (at_once && bytes <= kCopyAtOnce) return copy_now(slot);
  for (ThreadWork* part : slot.parts) {
    if (!part) continue;
    at(part->rank).tasks.push_back(part);
    part->awaited ? at(part->rank).changed.notify_all() : at(part->rank).has_tasks.notify_one();
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
  auto failed = try_copy(work);
  lock.lock();
  --slot->copying;
  if (failed) fail(std::move(*failed), lock);
  if (failure_) {
    for (const int rank : group->facts.members) at(rank).changed.notify_all();
    return;
  }
  for_each_source(*slot, work, [&](ThreadWork& from, const Transfer::Piece&) {
    if (&from != &work) settle(from);
  });
  settle(work);
}

// A device may fail.
std::optional<Failure> ThreadWorld::try_copy(const ThreadWork& work) {
  try {
    copy_pieces(work);
    return std::nullopt;
  } catch (const Error& e) {
    return Failure{.code = e.code(),
                   .rank = work.rank,
                   .message = fmt::format("rank {} cannot receive: {}\n  {}", work.rank,
                                          e.message(), str(work.transfer.record)),
                   .next = e.next()};
  }
}

void ThreadWorld::settle(ThreadWork& work) {
  if (--work.pending > 0) return;
  Rank& rank = at(work.rank);
  rank.log->end(work.number, OperationRecord::State::done);
  work.done.store(true, std::memory_order_release);
  rank.changed.notify_all();
}

ThreadWork* ThreadWorld::take_task(const ThreadWork& work) {
  const auto from = [&](int rank) -> ThreadWork* {
    auto& tasks = at(rank).tasks;
    const auto task = std::find_if(tasks.begin(), tasks.end(),
                                   [&](const ThreadWork* t) { return t->slot == work.slot; });
    if (task == tasks.end()) return nullptr;
    ThreadWork* taken = *task;
    tasks.erase(task);
    return taken;
  };
  if (failure_) return nullptr;
  if (ThreadWork* own = from(work.rank)) return own;
  for (const int rank : work.group->facts.members)
    if (ThreadWork* other = from(rank)) return other;
  return nullptr;
}

}  // namespace gigatrain::collectives
