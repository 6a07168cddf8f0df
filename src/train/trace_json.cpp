#include "train/trace_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace gigatrain {

namespace {

constexpr int kHostRow = 1, kQueueRow = 2, kFirstMoveRow = 3;

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

class Writer {
 public:
  explicit Writer(int rank) : rank_(rank) {}

  void name(const char* what, int row, const std::string& value) {
    event(fmt::format(R"("name":"{}","ph":"M","pid":{},"tid":{},"args":{{"name":{}}})", what, rank_,
                      row, quoted(value)));
  }
  void complete(const TraceEvent& e, int row) {
    event(fmt::format(R"("name":{},"cat":"{}","ph":"X","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f})",
                      quoted(e.name), e.category, rank_, row, e.begin_us, e.end_us - e.begin_us));
  }
  void counter(const TraceMemory& m) {
    std::string args;
    for (std::size_t i = 0; i < m.bytes.size(); ++i)
      args += fmt::format(R"({}"{}":{})", i ? "," : "", gigatrain::name(static_cast<Purpose>(i)),
                          m.bytes[i]);
    event(fmt::format(R"("name":"memory, bytes","ph":"C","pid":{},"ts":{:.3f},"args":{{{}}})",
                      rank_, m.at_us, args));
  }
  std::string finish() && {
    return R"({"displayTimeUnit":"ms","traceEvents":[)" + std::move(events_) + "\n]}\n";
  }

 private:
  void event(const std::string& fields) {
    events_ += events_.empty() ? "\n{" : ",\n{";
    events_ += fields + "}";
  }
  int rank_;
  std::string events_;
};

// What happens at once stands in rows of its own: each operation in the first row that is free.
void write_moves(Writer& w, std::span<const TraceEvent> moves) {
  std::vector<double> busy_until;
  for (const auto& e : moves) {
    const auto free = std::find_if(busy_until.begin(), busy_until.end(),
                                   [&](double until) { return until <= e.begin_us; });
    const int row = kFirstMoveRow + static_cast<int>(free - busy_until.begin());
    if (free == busy_until.end()) {
      busy_until.push_back(e.end_us);
      w.name("thread_name", row, fmt::format("data that move, {}", busy_until.size()));
    } else {
      *free = e.end_us;
    }
    w.complete(e, row);
  }
}

}  // namespace

std::string trace_json(const TraceRows& rows) {
  Writer w(rows.rank);
  w.name("process_name", 0, fmt::format("rank {}, {}", rows.rank, rows.device));
  w.name("thread_name", kHostRow, "steps, layers, kernels");
  if (!rows.queue.empty()) w.name("thread_name", kQueueRow, "kernels on the device");
  for (const auto& e : rows.host) w.complete(e, kHostRow);
  for (const auto& e : rows.queue) w.complete(e, kQueueRow);
  write_moves(w, rows.moves);
  for (const auto& m : rows.memory) w.counter(m);
  return std::move(w).finish();
}

}  // namespace gigatrain
