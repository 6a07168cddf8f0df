// What can go wrong between thread ranks, and how it is said: calls that differ, ranks that leave,
// throw or stall. The first failure poisons every group of the program.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "collectives/threads/thread_world.h"

namespace gigatrain::collectives {

namespace {

std::string call_of(const ThreadWork& work) {
  return fmt::format("rank {}: {}", work.rank, str(work.transfer.record));
}

// "dtype and count"; empty if the calls agree. Other operations differ in nothing else of interest.
std::string differences(const Fingerprint& a, const Fingerprint& b) {
  const bool message = is_message(a.operation);
  if (!message && a.operation != b.operation) return "operation";
  const std::pair<bool, const char*> parts[] = {{a.dtype != b.dtype, "dtype"},
                                                {a.count != b.count, "count"},
                                                {!message && a.root != b.root, "root"},
                                                {a.reduce != b.reduce, "reduction"}};
  std::string out;
  for (const auto& [differs, what] : parts)
    if (differs) out += fmt::format("{}{}", out.empty() ? "" : " and ", what);
  return out;
}

constexpr const char* kSameOrder =
    "make every rank of the group call the same operations, with the same arguments, in the same "
    "order";

}  // namespace

void ThreadWorld::fail(Failure failure, Lock& lock) {
  if (failure_) return;
  failure_ = std::move(failure);
  for (auto& rank : ranks_) rank->changed.notify_all();
  if (!on_failure_) return;
  const Error error = failure_->error();
  lock.unlock();
  on_failure_(error);
  lock.lock();
}

void ThreadWorld::refuse(const ThreadWork& work, Failure failure, Lock& lock) {
  at(work.rank).log->end(work.number, OperationRecord::State::failed);
  fail(std::move(failure), lock);
  throw_failure(lock);
}

// `other` was first.
void ThreadWorld::require_equal(const ThreadWork& mine, const ThreadWork& other, Lock& lock) {
  const auto differ = differences(other.transfer.record.what, mine.transfer.record.what);
  if (differ.empty()) return;
  refuse(mine,
         {.rank = mine.rank,
          .message = fmt::format("ranks {} and {} differ in {}; nothing was moved\n  {}\n  {}",
                                 other.rank, mine.rank, differ, call_of(other), call_of(mine)),
          .next = kSameOrder},
         lock);
}

// What each rank sends to another is what that one expects of it.
void ThreadWorld::require_pairs(const ThreadWork& work, Lock& lock) {
  const auto& parts = work.slot->parts;
  for (std::size_t i = 0; i < parts.size(); ++i)
    for (std::size_t j = 0; j < parts.size(); ++j) {
      if (!parts[i] || !parts[j]) continue;
      const std::int64_t sent = parts[i]->transfer.send[j].bytes;
      const std::int64_t expected = parts[j]->transfer.receive[i].bytes;
      if (sent == expected) continue;
      refuse(work,
             {.rank = work.rank,
              .message = fmt::format(
                  "rank {} sends {} bytes to rank {}, which expects {}; nothing was moved\n  {}\n  "
                  "{}",
                  parts[i]->rank, sent, parts[j]->rank, expected, call_of(*parts[i]),
                  call_of(*parts[j])),
              .next = "give both ranks the same counts for each other"},
             lock);
    }
}

std::vector<int> ThreadWorld::missing_ranks(const ThreadWork& work) const {
  const Fingerprint& what = work.transfer.record.what;
  const auto& parts = work.slot->parts;
  std::vector<int> missing;
  for (std::size_t r = 0; r < parts.size(); ++r)
    if (!parts[r] && (!is_message(what.operation) || static_cast<int>(r) == what.root))
      missing.push_back(work.group->facts.members[r]);
  return missing;
}

Failure ThreadWorld::left_early(int rank, const ThreadWork& waiting) {
  return {.rank = rank,
          .message = fmt::format("rank {} has left while others need it\n  {}\n  rank {} was last "
                                 "seen: {}",
                                 rank, call_of(waiting), rank, last_seen(rank)),
          .next = kSameOrder};
}

void ThreadWorld::require_present(const ThreadWork& work, Lock& lock) {
  for (const int rank : missing_ranks(work))
    if (at(rank).left) refuse(work, left_early(rank, work), lock);
}

void ThreadWorld::fail_late(const ThreadWork& work, Lock& lock) {
  const auto missing = missing_ranks(work);
  std::vector<std::string> who, seen;
  for (const int rank : missing) {
    who.push_back(std::to_string(rank));
    seen.push_back(fmt::format("\n  rank {} was last seen: {}", rank, last_seen(rank)));
  }
  fail({.code = ErrorCode::timeout,
        .rank = work.rank,
        .message = fmt::format(
            "{} within {} s\n  {}{}",
            missing.empty() ? "data did not arrive"
                            : fmt::format("rank{} {} did not come", missing.size() > 1 ? "s" : "",
                                          fmt::join(who, ", ")),
            work.timeout_s, call_of(work), fmt::join(seen, "")),
        .next = "look at what the late rank does there; if it is only slow, raise "
                "GIGATRAIN_TIMEOUT_S"},
       lock);
}

void ThreadWorld::cancel(ThreadWork& work, const std::string& why) {
  Lock lock(mutex_);
  if (is_over(work)) return;
  fail({.rank = work.rank,
        .message =
            fmt::format("rank {} broke an operation off: {}\n  {}", work.rank, why, call_of(work))},
       lock);
}

void ThreadWorld::abort(int rank, const std::string& reason) {
  Lock lock(mutex_);
  fail({.rank = rank,
        .message = fmt::format("rank {} aborted: {}\n  rank {} was last seen: {}", rank, reason,
                               rank, last_seen(rank))},
       lock);
}

void ThreadWorld::leave(int rank, const std::string* exception) {
  Lock lock(mutex_);
  at(rank).left = true;
  if (exception)
    return fail({.rank = rank,
                 .message = fmt::format("rank {} ended by an exception: {}\n  rank {} was last "
                                        "seen: {}",
                                        rank, *exception, rank, last_seen(rank))},
                lock);
  for (const auto& [id, known] : groups_) {
    const auto group = known.lock();
    if (!group || failure_) continue;
    for (const auto& [key, slot] : group->open) {
      const auto part = std::find_if(slot->parts.begin(), slot->parts.end(),
                                     [](const ThreadWork* p) { return p != nullptr; });
      if (part == slot->parts.end()) continue;
      const auto missing = missing_ranks(**part);
      if (std::find(missing.begin(), missing.end(), rank) == missing.end()) continue;
      return fail(left_early(rank, **part), lock);
    }
  }
}

}  // namespace gigatrain::collectives
