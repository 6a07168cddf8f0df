#include "gigatrain/train/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "gigatrain/base/error.h"
#include "gigatrain/version.h"

namespace gigatrain {
namespace {

[[noreturn]] void fail(const char* what, const std::string& path) {
  throw Error(ErrorCode::io, fmt::format("cannot {} '{}': {}", what, path, std::strerror(errno)),
              errno == ENOSPC ? "free space on the disk of the run folder (df -h)"
                              : "check the run folder's permissions");
}

// RFC 3339, UTC, with milliseconds: 2025-01-31T12:00:00.250Z
std::string now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  tm utc{};
  ::gmtime_r(&t.tv_sec, &utc);
  return fmt::format("{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:03d}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     t.tv_nsec / 1'000'000);
}

int open_regular(const std::string& path) {
  const int file =
      ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (file < 0) fail("open", path);
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  ::close(file);
  throw Error(ErrorCode::io, fmt::format("'{}' is not a regular file", path),
              "move it away: metrics are appended to a file of this name");
}

void write_whole(int file, std::string_view text, const std::string& path) {
  while (!text.empty()) {  // one turn, unless a signal or a full disk cuts it short
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Left by a crash, or by a write that failed half way.
void end_torn_line(int file, const std::string& path) {
  struct stat status {};
  char last = '\n';
  if (::fstat(file, &status) == 0 && status.st_size > 0 &&
      ::pread(file, &last, 1, status.st_size - 1) == 1 && last != '\n')
    write_whole(file, "\n", path);
}

}  // namespace

// The fields of one line, in order, and the names of those that were not finite.
class MetricsWriter::Line {
 public:
  Line(const char* kind, std::int64_t step) : step(step) {
    json = {{"v", kMetricsVersion}, {"kind", kind}, {"time", now()}, {"step", step}};
  }
  Line& set(const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
    return *this;
  }
  Line& set(const char* key, std::int64_t value) {
    if (value >= 0) json[key] = value;
    return *this;
  }
  Line& set(const char* key, double value) {
    json[key] = std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr;
    if (!std::isfinite(value)) bad.push_back(key);
    return *this;
  }
  // Left out when it was not measured.
  Line& maybe(const char* key, double value) {
    return value == kNotMeasured ? *this : set(key, value);
  }
  std::string text() const {
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }

  std::int64_t step;
  nlohmann::ordered_json json;
  std::vector<std::string> bad;
};

MetricsWriter::MetricsWriter(const std::string& path) : path_(path), file_(open_regular(path)) {
  try {
    end_torn_line(file_, path_);
  } catch (...) {
    ::close(file_);  // no object, no destructor
    throw;
  }
}

MetricsWriter::~MetricsWriter() {
  ::close(file_);
}

void MetricsWriter::append(const Line& line) {
  if (file_ < 0) return;
  if (failed_) end_torn_line(file_, path_);
  failed_ = true;
  write_whole(file_, line.text(), path_);
  failed_ = false;
  if (line.bad.empty()) return;
  warn(fmt::format("not a finite number: {}", fmt::join(line.bad, ", ")), line.step);
}

void MetricsWriter::start(std::int64_t step, const std::map<std::string, std::string>& facts,
                          const std::map<std::string, double>& numbers) {
  Line line("start", step);
  for (const auto& [key, value] : facts) line.set(key.c_str(), value);
  for (const auto& [key, value] : numbers) line.set(key.c_str(), value);
  append(line);
}

void MetricsWriter::step(const StepMetrics& m) {
  Line line("step", m.step);
  line.set("tokens", m.tokens).set("loss", m.loss).set("lr", m.lr).set("grad_norm", m.grad_norm);
  line.maybe("step_ms", m.step_ms).maybe("tokens_per_s", m.tokens_per_s).maybe("mfu", m.mfu);
  line.set("mem_bytes", m.mem_bytes).maybe("comm_ms", m.comm_ms).maybe("data_ms", m.data_ms);
  append(line.maybe("loss_scale", m.loss_scale));
}

void MetricsWriter::eval(const EvalMetrics& m) {
  Line line("eval", m.step);
  line.set("tokens", m.tokens).set("loss", m.loss).maybe("eval_ms", m.eval_ms);
  line.json["best"] = m.best;
  append(line);
}

void MetricsWriter::ckpt(const CkptMetrics& m) {
  Line line("ckpt", m.step);
  line.set("tokens", m.tokens).set("path", m.path).set("digest", m.digest);
  line.set("bytes", m.bytes).maybe("ckpt_ms", m.ckpt_ms).maybe("stall_ms", m.stall_ms);
  if (m.bytes >= 0 && m.ckpt_ms > 0)
    line.set("bytes_per_s", static_cast<double>(m.bytes) / m.ckpt_ms * 1e3);
  append(line);
}

void MetricsWriter::profile(const ProfileMetrics& m) {
  Line line("profile", m.step);
  line.maybe("step_ms", m.step_ms);
  line.json["kernel_ms"] = m.kernel_ms;
  line.json["mem_bytes"] = m.mem_bytes;
  append(line);
}

void MetricsWriter::sample(const std::string& text, std::int64_t step) {
  append(Line("sample", step).set("text", text));
}

void MetricsWriter::warn(const std::string& message, std::int64_t step) {
  append(Line("warn", step).set("message", message));
}

void MetricsWriter::error(const std::string& message, std::int64_t step) {
  append(Line("error", step).set("message", message));
}

void MetricsWriter::end(const EndMetrics& m) {
  Line line("end", m.step);
  line.set("tokens", m.tokens).set("reason", m.reason).maybe("loss", m.loss);
  append(line.set("digest", m.digest));
}

}  // namespace gigatrain
