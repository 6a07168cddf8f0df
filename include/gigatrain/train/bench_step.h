// Times the training step of a configuration beside what the device can do at best, and says where
// the time and the memory go: `gigatrain bench step`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gigatrain/runtime/device.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/machine_limit.h"
#include "gigatrain/train/trainer.h"

namespace gigatrain {

// What a run would train, ready to step; nothing is written.
class StepBench {
 public:
  // `synthetic`: made-up tokens in place of data.train.
  StepBench(Device& device, const Config& config, bool synthetic);
  ~StepBench();

  StepReport step();
  std::int64_t parameters() const;
  BatchShape batch() const;
  double flops() const;  // of matrix products in a step

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct StepBenchOptions {
  std::int64_t steps = 5;     // that are timed, after two that warm up
  std::int64_t observed = 3;  // and these after them, in which each kernel is timed as well
  bool synthetic = false;
};

// All calls of one kernel in a step.
struct KernelCalls {
  std::string name;  // "gemm"
  double ms = 0;
  double least_ms = 0;  // the floors of the calls (machine_limit.h)
  std::string bound{};  // what makes the longest of them: "copy", "products"
  double bytes = 0;     // inputs read once, outputs written once
  double flops = 0;     // of matrix products
  std::int64_t calls = 0;
};

struct StepTimes {
  std::int64_t parameters = 0;
  BatchShape batch{};
  double flops = 0;          // of matrix products in a step
  MachineLimit limit{};      // measured before and after
  std::vector<double> ms{};  // of each timed step
  double median_ms = 0;
  // Of the observed step whose time is their median.
  double observed_ms = 0, outside_ms = 0;  // outside: of kernels
  std::vector<KernelCalls> kernels{};      // longest first
  std::int64_t allocations = 0;            // from the system, in all timed steps; steady: 0
  MemoryStats memory{};                    // its peaks are those of the steps

  double kernels_ms() const;
  double tokens_per_s() const;
  double flops_per_s() const;
  double percent_of_limit() const;  // of the measured product rate
};

StepTimes bench_step(Device& device, const Config& config, const StepBenchOptions& options);

}  // namespace gigatrain
