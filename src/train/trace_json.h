// The rows of a trace as text: the JSON of Chrome's trace event format.
#pragma once

#include <array>
#include <span>
#include <string>

#include "gigatrain/runtime/allocator.h"

namespace gigatrain {

struct TraceEvent {
  const char* category = "";
  std::string name;
  double begin_us = 0, end_us = 0;
};

struct TraceMemory {
  double at_us = 0;
  std::array<std::int64_t, static_cast<std::size_t>(Purpose::count_)> bytes{};
};

struct TraceRows {
  int rank = 0;
  std::string device;
  std::span<const TraceEvent> host, queue;  // queue: kernels of a device that is not the CPU
  std::span<const TraceEvent> moves;        // operations of ranks, in the order of their begin
  std::span<const TraceMemory> memory;
};
std::string trace_json(const TraceRows& rows);

}  // namespace gigatrain
