#include "train/trace_json.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

namespace gigatrain {

namespace {

constexpr int kHostRow = 1, kQueueRow = 2;

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

}  // namespace

std::string trace_json(const TraceRows& rows) {
  Writer w(rows.rank);
  w.name("process_name", 0, fmt::format("rank {}, {}", rows.rank, rows.device));
  w.name("thread_name", kHostRow, "steps, layers, kernels");
  if (!rows.queue.empty()) w.name("thread_name", kQueueRow, "kernels on the device");
  for (const auto& e : rows.host) w.complete(e, kHostRow);
  for (const auto& e : rows.queue) w.complete(e, kQueueRow);
  for (const auto& m : rows.memory) w.counter(m);
  return std::move(w).finish();
}

}  // namespace gigatrain
