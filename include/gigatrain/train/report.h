// What a reader sees of runs: one HTML file that needs nothing else, and TensorBoard's event files.
// Both come from the run folders alone, also while a run trains.
//
//   gt::write_report({"runs/a", "runs/b"}, "report.html");
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gigatrain {

struct ReportSummary {
  std::string path;
  std::int64_t bytes = 0;      // of the file
  std::int64_t last_step = 0;  // of the run that went furthest
  std::vector<std::string> warnings{};
};

// Curves of more than 1,024 points are written as at most as many means, smallest and largest
// values. No path: report.html, in the folder of a single run; several belong to none of them.
// Throws Error(io) for a folder that holds no run.
ReportSummary write_report(const std::vector<std::string>& runs, const std::string& path = {});

// RUN/events.out.tfevents.gigatrain with every step's scalars, replaced as a whole; its path.
// `tensorboard --logdir runs` shows the runs in a folder side by side.
std::string write_tensorboard(const std::string& run);

}  // namespace gigatrain
