#include "gigatrain/collectives/operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace gigatrain {

namespace {

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

std::string state_and_times(const OperationRecord& r) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  std::string out = fmt::format("{}, {:.2f} s ago", name(r.state), seconds_since(r.called));
  if (r.state == OperationRecord::State::done)
    out +=
        fmt::format(", waited {:.3f} ms, moved {:.3f} ms", Milliseconds(r.began - r.called).count(),
                    Milliseconds(r.ended - r.began).count());
  return out;
}

}  // namespace

const char* name(Collective operation) {
  constexpr const char* kNames[] = {"all_to_all", "all_gather", "all_reduce", "broadcast",
                                    "gather",     "scatter",    "send",       "recv",
                                    "barrier",    "split",      "on"};
  return kNames[static_cast<std::size_t>(operation)];
}

const char* name(Reduce reduce) {
  constexpr const char* kNames[] = {"sum", "min", "max"};
  return kNames[static_cast<std::size_t>(reduce)];
}

const char* name(OperationRecord::State state) {
  constexpr const char* kNames[] = {"waiting", "moving", "done", "failed"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string str(const Fingerprint& what, const std::string& group) {
  std::string out =
      fmt::format("{} number {} of group '{}'", name(what.operation), what.sequence, group);
  if (what.operation >= Collective::barrier) return out;  // of no buffers
  out += fmt::format(" ({}", name(what.dtype));
  if (what.count != kAnyCount) out += fmt::format(", {} elements", what.count);
  if (what.operation == Collective::all_reduce) out += fmt::format(", {}", name(what.reduce));
  if (what.operation == Collective::send) return out + fmt::format(", to {})", what.root);
  if (what.operation == Collective::recv) return out + fmt::format(", from {})", what.root);
  if (what.root != kNoRoot) out += fmt::format(", root {}", what.root);
  return out + ")";
}

std::string str(const OperationRecord& r) {
  const std::string_view file = r.called_at.file;
  std::string out = fmt::format("{}, called at {}:{}", str(r.what, *r.group),
                                file.substr(file.rfind('/') + 1), r.called_at.line);
  if (!r.label->empty()) out += ", " + *r.label;
  return out;
}

std::int64_t OperationLog::add(OperationRecord record) {
  const std::lock_guard lock(mutex_);
  record.called = std::chrono::steady_clock::now();
  if (total_ < kCapacity)
    ring_.push_back(std::move(record));
  else
    ring_[static_cast<std::size_t>(total_ % kCapacity)] = std::move(record);
  return total_++;
}

OperationRecord* OperationLog::find(std::int64_t number) {
  if (number < 0 || number >= total_ || number < total_ - kCapacity) return nullptr;
  return &ring_[static_cast<std::size_t>(number % kCapacity)];
}

void OperationLog::begin(std::int64_t number) {
  const std::lock_guard lock(mutex_);
  if (OperationRecord* r = find(number)) {
    r->state = OperationRecord::State::moving;
    r->began = std::chrono::steady_clock::now();
  }
}

void OperationLog::end(std::int64_t number, OperationRecord::State state) {
  const std::lock_guard lock(mutex_);
  if (OperationRecord* r = find(number)) {
    r->state = state;
    r->ended = std::chrono::steady_clock::now();
  }
}

void OperationLog::set_label(std::string label) {
  auto shared = std::make_shared<const std::string>(std::move(label));
  const std::lock_guard lock(mutex_);
  label_ = std::move(shared);
  labelled_ = std::chrono::steady_clock::now();
}

std::shared_ptr<const std::string> OperationLog::label() const {
  const std::lock_guard lock(mutex_);
  return label_;
}

void OperationLog::add_wait(std::int64_t number, std::chrono::steady_clock::time_point since) {
  using Ms = std::chrono::duration<double, std::milli>;
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  const OperationRecord* r = find(number);
  waits_.all_ms += Ms(now - since).count();
  waits_.exposed_ms += Ms(now - (r ? std::max(since, r->began) : since)).count();
}

OperationLog::Waits OperationLog::waits() const {
  const std::lock_guard lock(mutex_);
  return waits_;
}

std::int64_t OperationLog::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

std::vector<OperationRecord> OperationLog::records() const {
  const std::lock_guard lock(mutex_);
  std::vector<OperationRecord> out = ring_;
  if (total_ > kCapacity)
    std::rotate(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(total_ % kCapacity),
                out.end());
  return out;
}

std::string OperationLog::str() const {
  std::string out;
  for (const auto& r : records())
    out += fmt::format("{}: {}, {} bytes out, {} in\n", gigatrain::str(r), state_and_times(r),
                       r.bytes_out, r.bytes_in);
  return out;
}

std::string OperationLog::last_seen() const {
  const std::lock_guard lock(mutex_);
  std::string out = "no operation yet";
  std::shared_ptr<const std::string> said;
  if (total_ > 0) {
    const OperationRecord& last = ring_[static_cast<std::size_t>((total_ - 1) % kCapacity)];
    out = fmt::format("{}: {}", gigatrain::str(last), state_and_times(last));
    said = last.label;
  }
  if (label_ != said && !label_->empty())
    out += fmt::format("; since {:.2f} s in {}", seconds_since(labelled_), *label_);
  return out;
}

}  // namespace gigatrain
