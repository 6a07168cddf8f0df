// A timeline of some steps as a Chrome trace, which https://ui.perfetto.dev and chrome://tracing
// open: steps, phases (data, forward, backward, optimizer), layers, nodes of the backward, kernels,
// data that move between ranks, and the memory of each purpose. The CPU runs a kernel where it is
// submitted, so its times are exact; another device has a row of its own, timed by markers in its
// queue.
//
//   gt::Trace trace(device, "runs/bible/trace/rank_00000.json");
//   gt::Trainer trainer(*model, adamw, data, {..., .trace = &trace});
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gigatrain/collectives/operation.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain {

struct TraceOptions {
  // Counted from 1, from the first step that this process makes: that one is like no other.
  std::int64_t first_step = 2;
  std::int64_t steps = 3;  // recorded from there on
  int rank = 0;
  // Of this rank, where there are several: the timeline shows when data move.
  const OperationLog* operations = nullptr;
};

class Trace {
 public:
  Trace(Device& device, std::string path, const TraceOptions& options = {});
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // Around a step of a loop, in its thread; `step` is its name in the trace. A step outside the
  // window is left alone. At the end of each step of the window the file is replaced as a whole.
  void begin_step(std::int64_t step);
  void end_step();
  std::int64_t recorded() const;  // steps in the file

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain
