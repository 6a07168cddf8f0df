// A run as its folder tells it: run.json, config.toml and metrics.jsonl. Nothing in them is
// trusted, and what is missing stays empty.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/curve.h"

namespace gigatrain {

struct RunLog {
  struct Text {
    std::int64_t step = 0;
    std::string kind, text;
  };

  std::string folder, name;
  std::map<std::string, std::string> facts;  // of run.json and the last start: device, version, ...
  std::map<std::string, double> numbers;     // of the last start: limit_flops, parameters
  std::map<std::string, std::string> config;  // "optim.lr" -> "0.004"

  std::map<std::string, Curve> curves;      // of step lines, by field; "eval"; "seconds"
  std::int64_t profiles = 0;                // lines with the next three
  std::map<std::string, double> kernel_ms;  // by family, summed over the profiles
  double profiled_ms = 0;                   // of their steps
  std::map<std::string, double> memory;     // peak bytes by purpose, in the last
  std::vector<Text> samples, messages;      // messages: warn, error

  std::int64_t step = 0;       // the last
  double loss = 0;             // of the last step; NaN: none
  double seconds = 0;          // between lines, without the pauses between processes
  std::string reason, digest;  // of the end, or of the last checkpoint
  std::int64_t starts = 0, unreadable_lines = 0, left_out_messages = 0;
};

// TensorBoard's file in a run folder; it reads whatever has "tfevents" in its name.
inline constexpr const char* kEventFile = "events.out.tfevents.gigatrain";

// Throws Error(io), with a next step, where there is no run.
void require_run(const std::string& folder);
RunLog read_run(const std::string& folder);

}  // namespace gigatrain
