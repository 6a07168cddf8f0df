#include "gigatrain/train/trace.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/diagnostics.h"
#include "train/atomic_file.h"
#include "train/trace_json.h"

namespace gigatrain {

struct Trace::Impl final : ScopeObserver, KernelObserver {
  using Clock = std::chrono::steady_clock;
  struct Queued {
    const char* kernel;
    std::unique_ptr<Marker> begin, end;
  };

  Device& device;
  std::string path;
  TraceOptions options;
  Clock::time_point start = Clock::now();
  std::int64_t seen = 0, recorded = 0;
  Clock::time_point step_began;
  bool recording = false;
  std::vector<TraceEvent> host, queue, moves;
  std::vector<std::size_t> open;  // places in `host` of what has begun, outermost first
  std::vector<TraceMemory> memory;
  // Of a device with a queue of its own, for the step at hand.
  std::vector<Queued> queued;
  std::unique_ptr<Marker> queue_start;
  double queue_start_us = 0;
  ScopeObserver* observer_before = nullptr;

  Impl(Device& d, std::string p, const TraceOptions& o)
      : device(d), path(std::move(p)), options(o) {}

  double now_us() const {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }

  void enter(const char* category, const std::string& name) override {
    sample_memory();
    push(category, name.empty() ? "model" : name);
  }
  void leave() override {
    pop();
    sample_memory();
  }
  void begin(const char* kernel, FunctionRef<KernelCost()>) override {
    if (queue_start) queued.push_back({kernel, device.mark(), nullptr});
    push(queue_start ? "submit" : "kernel", kernel);
  }
  void end() override {
    pop();
    if (queue_start) queued.back().end = device.mark();
  }

  void push(const char* category, std::string name) {
    open.push_back(host.size());
    host.push_back({category, std::move(name), 0, 0});
    host.back().begin_us = now_us();
  }
  void pop() {
    host[open.back()].end_us = now_us();
    open.pop_back();
  }

  void sample_memory() {
    const MemoryStats stats = device.allocator().stats();
    TraceMemory now{.at_us = now_us()};
    for (std::size_t i = 0; i < now.bytes.size(); ++i) now.bytes[i] = stats.by_purpose[i].now;
    if (memory.empty() || memory.back().bytes != now.bytes) memory.push_back(now);
  }

  void begin_step(std::int64_t step) {
    stop();  // of a step that an exception ended
    ++seen;
    if (seen < options.first_step || seen >= options.first_step + options.steps) return;
    recording = true;
    step_began = Clock::now();
    observer_before = std::exchange(diagnostics().observer, this);
    if (!device.is_cpu()) {
      device.synchronize();
      queue_start_us = now_us();
      queue_start = device.mark();
    }
    device.stream().set_observer(this);
    enter("step", fmt::format("step {}", step));
  }

  void stop() {
    if (!recording) return;
    recording = false;
    diagnostics().observer = observer_before;
    device.stream().set_observer(nullptr);
    while (!open.empty()) pop();
    queue_start = nullptr;
    queued.clear();
  }

  void end_step() {
    if (!recording) return;
    leave();
    time_queue();
    add_moves();
    stop();
    ++recorded;
    write();
  }

  void time_queue() {
    if (queued.empty()) return;
    queued.back().end->wait();
    for (const auto& q : queued)
      queue.push_back({"kernel", q.kernel, queue_start_us + 1e3 * q.begin->ms_since(*queue_start),
                       queue_start_us + 1e3 * q.end->ms_since(*queue_start)});
  }

  // What has moved since the step began.
  void add_moves() {
    if (!options.operations) return;
    for (const auto& r : options.operations->records()) {
      const bool moved = r.state == OperationRecord::State::done && r.bytes_out + r.bytes_in > 0;
      if (!moved || r.began < step_began) continue;
      const auto us = [this](Clock::time_point t) {
        return std::chrono::duration<double, std::micro>(t - start).count();
      };
      moves.push_back({"communication",
                       fmt::format("{} of {}, {:.1f} MB", gigatrain::name(r.what.operation),
                                   *r.group, static_cast<double>(r.bytes_in) / 1e6),
                       us(r.began), us(r.ended)});
    }
  }

  void write() const {
    std::error_code failed;
    std::filesystem::create_directories(parent_of(path), failed);
    replace_file(FileSystem::real(), path,
                 trace_json({.rank = options.rank,
                             .device = device.facts().model,
                             .host = host,
                             .queue = queue,
                             .moves = moves,
                             .memory = memory}));
  }
};

Trace::Trace(Device& device, std::string path, const TraceOptions& options)
    : impl_(std::make_unique<Impl>(device, std::move(path), options)) {
  if (options.first_step < 1 || options.steps < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a trace records at least one step, from step 1 on, got {} from {}",
                            options.steps, options.first_step));
}

Trace::~Trace() {
  impl_->stop();
}
void Trace::begin_step(std::int64_t step) {
  impl_->begin_step(step);
}
void Trace::end_step() {
  impl_->end_step();
}
std::int64_t Trace::recorded() const {
  return impl_->recorded;
}

}  // namespace gigatrain
