#include "train/rank_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include "train/append_file.h"

namespace gigatrain {

RankLog::RankLog(const std::string& path, int rank, int ranks, const std::string& device)
    : path_(path), file_(open_appending(path)), rank_(rank) {
  line(fmt::format("rank {} of {}: {}", rank, ranks, device));
}

RankLog::~RankLog() {
  ::close(file_);
}

void RankLog::line(const std::string& text) {
  append_text(file_, fmt::format("{} {}\n", utc_now(), text), path_);
}

void RankLog::step(const StepReport& r, std::int64_t memory_bytes) {
  const RankTimes& own = r.ranks[static_cast<std::size_t>(rank_)];
  line(fmt::format(
      "step {}  {:.1f} ms: data {:.1f}, compute {:.1f}, wait {:.1f} (moving {:.1f})  {:.1f} MiB",
      r.step, r.step_ms, own.data_ms, own.compute_ms, own.wait_ms, own.exposed_ms,
      static_cast<double>(memory_bytes) / 0x1p20));
}

void RankLog::error(const Error& e, const OperationLog& operations) {
  line(fmt::format("error: {}\nlast operations:\n{}", e.message(), operations.str()));
}

}  // namespace gigatrain
