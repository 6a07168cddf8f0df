#include "progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gigatrain::tools {

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-:--";
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  const auto minutes = s / 60, hours = minutes / 60, days = hours / 24;
  if (days) return fmt::format("{}d {}:{:02}", days, hours % 24, minutes % 60);
  if (hours) return fmt::format("{}:{:02}:{:02}", hours, minutes % 60, s % 60);
  return fmt::format("{}:{:02}", minutes, s % 60);
}

std::string format_count(double n) {
  if (n < 1e3) return fmt::format("{:.0f}", n);
  if (n < 1e6) return fmt::format("{:.1f} k", n / 1e3);
  if (n < 1e9) return fmt::format("{:.2f} M", n / 1e6);
  return fmt::format("{:.2f} G", n / 1e9);
}

std::string format_bytes(double bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  while (bytes >= 1024 && unit < 4) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 || bytes >= 100 ? 0 : 1, units[unit]);
}

Progress::Progress(bool quiet, bool terminal, int width)
    : quiet_(quiet), terminal_(terminal && !quiet), width_(std::max(width, 40)) {}

void Progress::print(const std::string& text) {
  if (quiet_) return;
  if (drawn_) std::fputs("\r\033[K", stdout);
  drawn_ = false;
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void Progress::on_start(const RunSummary& s) {
  print(fmt::format("run      {}", s.folder));
  print(fmt::format("device   {}{}, {:.0f} GFLOP/s in matrix products",
                    s.ranks > 1 ? fmt::format("{} ranks, each on: ", s.ranks) : "", s.device,
                    s.limit_flops / 1e9));
  print(fmt::format("model    {} parameters, about {} of memory",
                    format_count(static_cast<double>(s.parameters)),
                    format_bytes(static_cast<double>(s.memory.total))));
  print(fmt::format("data     {} tokens to train on, {} to evaluate on",
                    format_count(static_cast<double>(s.train_tokens)),
                    format_count(static_cast<double>(s.val_tokens))));
  print(fmt::format("batch    {} tokens a step = {} leaves x {} micro-batches x {} x {}",
                    s.batch.tokens(), s.batch.leaves, s.batch.micro_batches, s.batch.micro_batch,
                    s.batch.seq_len));
  if (!s.batch.ramp.empty()) print(fmt::format("ramp     {}", describe_ramp(s.batch)));
  if (s.first_step > 0) print(fmt::format("resumed  at step {} of {}", s.first_step, s.steps));
}

namespace {

std::string numbers(const StepLine& l, std::size_t width) {
  const auto& r = l.report;
  return fmt::format(
      "step {:>{}}/{}  loss {:.4f}  grad_norm {:.2f}  lr {:.2e}  {:>7} tokens/s  {:>3.0f} % of "
      "limit",
      r.step, width, l.steps, r.loss, r.grad_norm, r.lr, fmt::format("{:.0f}", l.tokens_per_s),
      100 * l.limit_fraction);
}

// Rank 0's, whose line it is, and who keeps it waiting.
std::string of_ranks(const std::vector<RankTimes>& ranks) {
  if (ranks.empty()) return {};
  const RankTimes& own = ranks.front();
  const auto slowest = slowest_rank(ranks);
  return fmt::format(" (data {:.1f}, compute {:.0f}, comm {:.1f}{})", own.data_ms, own.compute_ms,
                     own.wait_ms, slowest ? fmt::format("; rank {} is slowest", *slowest) : "");
}

}  // namespace

void Progress::draw(const StepLine& l) {
  constexpr int kBar = 18;
  const int full = static_cast<int>(kBar * l.report.step / std::max<std::int64_t>(l.steps, 1));
  std::string bar;
  for (int i = 0; i < kBar; ++i) bar += i < full ? "█" : "·";
  std::string line = fmt::format("{} {}/{} loss {:.3f} {:.0f} tok/s {:.0f}% eta {}", bar,
                                 l.report.step, l.steps, l.report.loss, l.tokens_per_s,
                                 100 * l.limit_fraction, format_duration(l.eta_seconds));
  const auto hidden =
      static_cast<int>(line.size()) - (kBar + static_cast<int>(line.size() - bar.size()));
  const auto most = static_cast<std::size_t>(width_ - 1 + hidden);
  if (line.size() > most) line.resize(most);
  std::fputs(("\r\033[K" + line).c_str(), stdout);
  std::fflush(stdout);
  drawn_ = true;
}

void Progress::on_step(const StepLine& l) {
  if (quiet_) return;
  if (l.report.skipped)
    on_warning(fmt::format("step {} was skipped: {}", l.report.step, l.report.reason));
  if (l.log) {
    const auto width = std::to_string(l.steps).size();
    print(fmt::format("{}  {}  {:.0f} ms{}  eta {}", numbers(l, width),
                      format_bytes(static_cast<double>(l.memory_bytes)), l.report.step_ms,
                      of_ranks(l.report.ranks), format_duration(l.eta_seconds)));
  }
  if (terminal_) draw(l);
}

void Progress::on_eval(const EvalLine& l) {
  print(fmt::format("eval {:>4}  val_loss {:.4f} nats/token ({:.3f} bits) over {} tokens{}", l.step,
                    l.evaluation.loss, l.evaluation.loss / std::log(2.0), l.evaluation.terms,
                    l.best ? "  (best so far)" : ""));
}

void Progress::on_sample(const std::string& text, std::int64_t step) {
  std::string quoted = fmt::format("sample at step {}:\n  | ", step);
  for (const char c : text) {
    quoted += c;
    if (c == '\n') quoted += "  | ";
  }
  print(quoted);
}

void Progress::on_checkpoint(const CheckpointLine& l) {
  const auto bytes = static_cast<double>(l.bytes);
  print(fmt::format("saved    {}  state digest {}  {} at {}/s, training waited {:.0f} ms", l.path,
                    l.digest, format_bytes(bytes), format_bytes(bytes / l.write_ms * 1e3),
                    l.stall_ms));
}

void Progress::on_warning(const std::string& text) {
  if (drawn_) std::fputs("\r\033[K", stdout);
  drawn_ = false;
  std::fprintf(stderr, "warning: %s\n", text.c_str());
}

}  // namespace gigatrain::tools
