#include "collectives/threads/thread_world.h"

#include <algorithm>
#include <utility>

#include "collectives/threads/copies.h"

namespace gigatrain::collectives {

namespace {

SharedGroup::Key key_of(const ThreadWork& work) {
  const Fingerprint& what = work.transfer.record.what;
  if (what.operation == Collective::send) return {rank_of(work), what.root, what.sequence};
  if (what.operation == Collective::recv) return {what.root, rank_of(work), what.sequence};
  return {-1, -1, what.sequence};
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
    open->copied.resize(size);
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

bool ThreadWorld::over(ThreadWork& work) {
  Lock lock(mutex_);
  if (!is_over(work) && std::chrono::steady_clock::now() >= work.deadline) fail_late(work, lock);
  return is_over(work);
}

void ThreadWorld::wait(ThreadWork& work) {
  Lock lock(mutex_);
  Rank& rank = at(work.rank);
  ThreadWork* task = nullptr;
  const auto over = [&] { return is_over(work); };
  const auto over_or_task = [&] { return over() || (task = take_task(work)); };
  work.awaited = true;
  while (rank.changed.wait_until(lock, work.deadline, over_or_task) && task)
    copy(*std::exchange(task, nullptr), lock);
  if (!over()) {
    fail_late(work, lock);
    rank.changed.wait(lock, over);  // a copy that has begun ends
  }
  if (work.done) return;
  rank.log->end(work.number, OperationRecord::State::failed);
  lock.unlock();
  wait_for_copies(work);  // nobody queues another one
  lock.lock();
  throw_failure(lock);
}

std::optional<Failure> ThreadWorld::failure() {
  const Lock lock(mutex_);
  return failure_;
}

ThreadWorld::Held ThreadWorld::held() {
  const Lock lock(mutex_);
  Held held{.groups = groups_.size()};
  for (const auto& [id, known] : groups_)
    if (const auto group = known.lock()) held.slots += group->open.size();
  for (const auto& rank : ranks_) held.tasks += rank->tasks.size();
  return held;
}

}  // namespace gigatrain::collectives
