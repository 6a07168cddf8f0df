// What a person sees while a run trains: on a terminal one live line with a bar and the time left,
// otherwise one plain line per log interval.
#pragma once

#include <cstdint>
#include <string>

#include "gigatrain/train/training_run.h"

namespace gigatrain::tools {

std::string format_duration(double seconds);  // "1:05", "2:03:04", "3d 4:05"
std::string format_count(double n);           // "842 k", "124.4 M", "1.2 G"
std::string format_bytes(double bytes);       // "512 KiB", "1.4 GiB"

class Progress final : public RunObserver {
 public:
  Progress(bool quiet, bool terminal, int width);
  void on_start(const RunSummary& summary) override;
  void on_step(const StepLine& line) override;
  void on_eval(const EvalLine& line) override;
  void on_sample(const std::string& text, std::int64_t step) override;
  void on_checkpoint(const CheckpointLine& line) override;
  void on_warning(const std::string& text) override;

 private:
  void print(const std::string& text);  // above the live line
  void draw(const StepLine& line);
  bool quiet_, terminal_;
  int width_;
  bool drawn_ = false;
};

}  // namespace gigatrain::tools
