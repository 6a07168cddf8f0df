#include "gigatrain/collectives/thread_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <numeric>
#include <thread>
#include <utility>

#include "collectives/threads/copies.h"
#include "collectives/threads/thread_world.h"
#include "gigatrain/runtime/device.h"
#include "gigatrain/runtime/environment.h"

namespace gigatrain {

namespace collectives {

namespace {

class ThreadWorkState : public WorkState {
 public:
  ThreadWorkState(std::shared_ptr<ThreadWorld> world, Transfer transfer)
      : world_(std::move(world)) {
    work.transfer = std::move(transfer);
  }
  bool over() override { return work.done.load(std::memory_order_acquire) || world_->over(work); }
  void wait() override {
    if (!work.done.load(std::memory_order_acquire)) {
      const auto since = std::chrono::steady_clock::now();
      world_->wait(work);
      world_->log(work.rank)->add_wait(work.number, since);
    }
    follow_copies(work);
  }
  void cancel(const std::string& why) override { world_->cancel(work, why); }

  ThreadWork work;

 private:
  std::shared_ptr<ThreadWorld> world_;
};

class ThreadCommunicator : public Communicator {
 public:
  ThreadCommunicator(Group group, std::shared_ptr<ThreadWorld> world, double timeout_s)
      : Communicator(group, world->log(group.members[static_cast<std::size_t>(group.rank)])),
        world_(std::move(world)),
        shared_(world_->join(group)),
        timeout_s_(timeout_s) {
    if (!group.device) return;
    copies_ = group.device->make_copy_queue();
    ordinal_ = group.device->facts().ordinal;
  }

  void abort(const std::string& reason) override { world_->abort(program_rank(rank()), reason); }
  const std::shared_ptr<ThreadWorld>& world() const { return world_; }

 private:
  std::unique_ptr<WorkState> submit(Transfer transfer) override {
    auto state = std::make_unique<ThreadWorkState>(world_, std::move(transfer));
    state->work.group = shared_;
    state->work.rank = program_rank(rank());
    state->work.timeout_s = timeout_s_;
    state->work.deadline = std::chrono::steady_clock::now() +
                           std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                               std::chrono::duration<double>(timeout_s_));
    if (Device* device = state->work.transfer.device) {
      state->work.ordinal = ordinal_;
      state->work.copies = copies_;
      state->work.ready = device->mark();
    }
    world_->submit(state->work);
    return state;
  }
  std::unique_ptr<Communicator> subgroup(Group group) override {
    return std::make_unique<ThreadCommunicator>(std::move(group), world_, timeout_s_);
  }

  std::shared_ptr<ThreadWorld> world_;
  std::shared_ptr<SharedGroup> shared_;
  double timeout_s_;
  std::shared_ptr<CopyQueue> copies_;  // of a device's group
  int ordinal_ = 0;
};

Group world_group(int ranks, int rank) {
  Group group{.name = std::make_shared<const std::string>("world"),
              .members = std::vector<int>(static_cast<std::size_t>(ranks)),
              .rank = rank};
  std::iota(group.members.begin(), group.members.end(), 0);
  return group;
}

using Body = std::function<void(Communicator&)>;

std::exception_ptr run_rank(const std::shared_ptr<ThreadWorld>& world, int ranks, int rank,
                            double timeout_s, const Body& body) {
  std::string text;
  std::exception_ptr exception;
  try {
    ThreadCommunicator communicator(world_group(ranks, rank), world, timeout_s);
    body(communicator);
  } catch (const std::exception& e) {
    text = e.what();
    exception = std::current_exception();
  } catch (...) {
    text = "not a std::exception";
    exception = std::current_exception();
  }
  world->leave(rank, exception ? &text : nullptr);
  return exception;
}

// The first cause among what the ranks ended by.
void rethrow_cause(const std::vector<std::exception_ptr>& ended, ThreadWorld& world) {
  if (std::none_of(ended.begin(), ended.end(), [](const auto& e) { return e != nullptr; })) return;
  const Failure failure = *world.failure();
  const auto& cause = ended[static_cast<std::size_t>(failure.rank)];
  if (cause) std::rethrow_exception(cause);
  throw failure.error();
}

void run_threads(int ranks, double timeout_s, const Body& body,
                 const std::function<void(const Error&)>& on_failure) {
  const auto world = std::make_shared<ThreadWorld>(ranks, on_failure);
  std::vector<std::exception_ptr> ended(static_cast<std::size_t>(ranks));
  const auto run = [&](int rank) {
    ended[static_cast<std::size_t>(rank)] = run_rank(world, ranks, rank, timeout_s, body);
  };
  {
    std::vector<std::jthread> threads;
    try {
      for (int rank = 1; rank < ranks; ++rank) threads.emplace_back(run, rank);
    } catch (const std::exception& e) {
      world->abort(0, fmt::format("cannot start {} threads: {}", ranks, e.what()));
      throw;
    }
    run(0);
  }
  rethrow_cause(ended, *world);
}

}  // namespace

std::shared_ptr<ThreadWorld> world_of(const Communicator& communicator) {
  const auto* threads = dynamic_cast<const ThreadCommunicator*>(&communicator);
  return threads ? threads->world() : nullptr;
}

}  // namespace collectives

void run_ranks(int ranks, const std::function<void(Communicator&)>& body,
               const RankOptions& options) {
  if (ranks < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a program has at least one rank, got {}", ranks));
  const double timeout_s =
      options.timeout_s > 0 ? options.timeout_s : Environment::read().timeout_s;
  if (ranks == 1) return body(*make_local_communicator());
  collectives::run_threads(ranks, timeout_s, body, options.on_failure);
}

}  // namespace gigatrain
