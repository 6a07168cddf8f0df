// Devices of which nothing runs before its time, to prove that queues wait for each other where
// they must: all of them run as late as markers and the host allow, or kernels late and copies at
// once. A wait that is missing then shows, every time.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "gigatrain/base/error.h"
#include "gigatrain/runtime/device.h"
#include "kernels/table.h"

namespace gigatrain::test {

enum class Pace { all_late, copies_at_once };

// What the devices of a test share. Everything runs under its mutex, in whichever thread waits.
class LateMachine {
 public:
  struct Queue;
  struct Point {
    Queue* queue;
    std::size_t index;  // so many of its calls are done
  };
  struct Call {
    std::function<void()> run;
    Point after;  // no queue: at once
  };
  struct Queue {
    bool copies = false;
    std::vector<Call> calls;
    std::size_t done = 0;
  };

  explicit LateMachine(Pace pace) : pace_(pace) {}

  Queue* make_queue(bool copies) {
    const std::lock_guard lock(mutex_);
    queues_.push_back(std::make_unique<Queue>(Queue{copies, {}, 0}));
    return queues_.back().get();
  }
  void submit(Queue* queue, std::function<void()> run, Point after = {}) {
    const std::lock_guard lock(mutex_);
    queue->calls.push_back({std::move(run), after});
    run_copies();
  }
  Point mark(Queue* queue) {
    const std::lock_guard lock(mutex_);
    return {queue, queue->calls.size()};
  }
  void wait(const Point& point) {  // of the host
    const std::lock_guard lock(mutex_);
    ++host_waits_;
    reach(point);
    run_copies();
  }
  void finish() {  // whatever is left
    const std::lock_guard lock(mutex_);
    for (const auto& queue : queues_) reach({queue.get(), queue->calls.size()});
  }

  void* allocate(std::int64_t bytes) {
    const std::lock_guard lock(mutex_);
    auto* data = static_cast<char*>(std::malloc(static_cast<std::size_t>(bytes)));
    blocks_[data] = bytes;
    return data;
  }
  void release(void* data) {
    const std::lock_guard lock(mutex_);
    blocks_.erase(static_cast<char*>(data));
    std::free(data);
  }
  void copy(void* to, const void* from, std::int64_t bytes) {  // from a call: the mutex is held
    if (to == from || !is_live(to, bytes) || !is_live(from, bytes))
      ++faults_;
    else
      std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }

  int host_waits() { return read(host_waits_); }
  int faults() { return read(faults_); }  // copies of memory that is gone, or onto itself

 private:
  int read(int& value) {
    const std::lock_guard lock(mutex_);
    return value;
  }
  static bool reached(const Point& point) {
    return !point.queue || point.queue->done >= point.index;
  }
  static void run_next(Queue& queue) {
    const auto run = queue.calls[queue.done].run;
    if (run) run();
    ++queue.done;
  }
  static void reach(const Point& point) {
    while (!reached(point)) {
      reach(point.queue->calls[point.queue->done].after);
      run_next(*point.queue);
    }
  }
  void run_copies() {
    if (pace_ == Pace::all_late) return;
    for (const auto& queue : queues_)
      while (queue->copies && queue->done < queue->calls.size() &&
             reached(queue->calls[queue->done].after))
        run_next(*queue);
  }
  bool is_live(const void* data, std::int64_t bytes) const {
    auto block = blocks_.upper_bound(static_cast<const char*>(data));
    if (block == blocks_.begin()) return false;
    --block;
    return static_cast<const char*>(data) + bytes <= block->first + block->second;
  }

  Pace pace_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Queue>> queues_;  // of devices that are gone, too
  std::map<const char*, std::int64_t> blocks_;
  int host_waits_ = 0, faults_ = 0;
};

class LateMarker : public Marker {
 public:
  LateMarker(std::shared_ptr<LateMachine> machine, LateMachine::Point point)
      : point(point), machine_(std::move(machine)) {}
  void wait() override { machine_->wait(point); }
  double ms_since(const Marker&) override { return 0.0; }

  const LateMachine::Point point;

 private:
  std::shared_ptr<LateMachine> machine_;
};

class LateCopies : public CopyQueue {
 public:
  LateCopies(std::shared_ptr<LateMachine> machine, bool broken)
      : machine_(std::move(machine)), queue_(machine_->make_queue(true)), broken_(broken) {}
  void wait(const Marker& marker) override {
    machine_->submit(queue_, nullptr, dynamic_cast<const LateMarker&>(marker).point);
  }
  void copy(void* to, const void* from, std::int64_t bytes, int) override {
    if (broken_) throw Error(ErrorCode::device, "the copy engine is on fire", "call for help");
    machine_->submit(queue_, [=, m = machine_.get()] { m->copy(to, from, bytes); });
  }
  std::unique_ptr<Marker> mark() override {
    return std::make_unique<LateMarker>(machine_, machine_->mark(queue_));
  }

 private:
  std::shared_ptr<LateMachine> machine_;
  LateMachine::Queue* queue_;
  bool broken_;
};

class LateQueue : public Backend {
 public:
  // broken: its copies fail.
  explicit LateQueue(std::shared_ptr<LateMachine> machine, bool broken = false)
      : machine_(std::move(machine)), queue_(machine_->make_queue(false)), broken_(broken) {}

  // What a kernel would be.
  void launch(std::function<void()> run) { machine_->submit(queue_, std::move(run)); }

  const kernels::Table& kernels() const override {
    static const kernels::Table none{};
    return none;
  }
  DeviceFacts facts() const override { return {.kind = "late", .model = "late device"}; }
  void* allocate(std::int64_t bytes) override { return machine_->allocate(bytes); }
  void release(void* data) override {
    machine_->wait(machine_->mark(queue_));  // not for copies: who waits for them has to say so
    machine_->release(data);
  }
  void upload(void* to, const void* from, std::int64_t bytes) override {
    const auto* first = static_cast<const char*>(from);
    launch([=, kept = std::vector<char>(first, first + bytes)] {
      std::memcpy(to, kept.data(), kept.size());
    });
  }
  void download(void* to, const void* from, std::int64_t bytes) override {
    launch([=] { std::memcpy(to, from, static_cast<std::size_t>(bytes)); });
    synchronize();
  }
  void synchronize() override { machine_->wait(machine_->mark(queue_)); }
  std::unique_ptr<Marker> mark() override {
    return std::make_unique<LateMarker>(machine_, machine_->mark(queue_));
  }
  void wait(const Marker& marker) override {
    machine_->submit(queue_, nullptr, dynamic_cast<const LateMarker&>(marker).point);
  }
  std::unique_ptr<CopyQueue> make_copy_queue() override {
    return std::make_unique<LateCopies>(machine_, broken_);
  }

 private:
  std::shared_ptr<LateMachine> machine_;
  LateMachine::Queue* queue_;
  bool broken_;
};

// Blocks are given back at once, so that use after that is seen.
inline std::unique_ptr<Device> late_device(const std::shared_ptr<LateMachine>& machine) {
  return std::make_unique<Device>(std::make_unique<LateQueue>(machine), /*exact=*/true);
}

}  // namespace gigatrain::test
