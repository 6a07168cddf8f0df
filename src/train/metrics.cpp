#include "gigatrain/train/metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "gigatrain/base/error.h"
#include "gigatrain/version.h"
#include "train/append_file.h"

namespace gigatrain {

// The fields of one line, in order, and the names of those that were not finite.
class MetricsWriter::Line {
 public:
  Line(const char* kind, std::int64_t step) : step(step) {
    json = {{"v", kMetricsVersion}, {"kind", kind}, {"time", utc_now()}, {"step", step}};
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

MetricsWriter::MetricsWriter(const std::string& path) : path_(path), file_(open_appending(path)) {
  try {
    end_torn_line(file_, path_);
  } catch (...) {
    ::close(file_);  // no object, no destructor
    throw;
  }
}

MetricsWriter::~MetricsWriter() {
  if (file_ >= 0) ::close(file_);
}

void MetricsWriter::append(const Line& line) {
  if (file_ < 0) return;
  if (failed_) end_torn_line(file_, path_);
  failed_ = true;
  append_text(file_, line.text(), path_);
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
  line.maybe("loss_scale", m.loss_scale);
  for (const auto& r : m.ranks)
    line.json["ranks"].push_back({{"data_ms", r.data_ms},
                                  {"compute_ms", r.compute_ms},
                                  {"wait_ms", r.wait_ms},
                                  {"exposed_ms", r.exposed_ms}});
  if (const auto slowest = slowest_rank(m.ranks)) line.json["slowest_rank"] = *slowest;
  append(line);
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
