#include "gigatrain/train/bench_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "train/json_fields.h"
#include "train/mapped_file.h"
#include "train/strict_json.h"

namespace gigatrain {

namespace {

constexpr std::int64_t kLargestFile = 16 << 20;
constexpr double kSmallShare = 0.01;  // of a step

struct BenchFile {
  std::string bench, device;
  std::string subject{};               // what must be equal: model, batch, dtype
  double step_ms = 0;                  // of a step
  std::map<std::string, double> ms{};  // by name
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::data, fmt::format("'{}' cannot be compared: {}", path, why),
              "make both files by the same command, e.g. `gigatrain bench kernels --json > FILE`");
}

double positive(const JsonFields& fields, const char* key, const std::string& path) {
  const double value = fields.number(key, 0);
  if (!(value > 0 && std::isfinite(value)))
    refuse(path, fmt::format("'{}' must be a number above 0, got {}", key, value));
  return value;
}

void add(BenchFile& file, const std::string& name, double ms, const std::string& path) {
  if (!file.ms.emplace(printable(name), ms).second)
    refuse(path, fmt::format("'{}' is in it twice", printable(name)));
}

void read_kernels(BenchFile& file, const JsonFields& top, const std::string& path) {
  for (const auto& row : top.list("kernels")) {
    const JsonFields k(row, path);
    add(file, fmt::format("{}, {}, {}", k.text("name"), k.text("shape"), k.text("dtype")),
        positive(k, "ms", path), path);
  }
}

void read_step(BenchFile& file, const JsonFields& top, const std::string& path) {
  file.subject =
      fmt::format("{} parameters, {}, {} x {} x {} x {} tokens", top.integer("parameters"),
                  printable(top.text("dtype")), top.integer("leaves"), top.integer("micro_batches"),
                  top.integer("micro_batch"), top.integer("seq_len"));
  file.step_ms = positive(top, "ms", path);
  for (const auto& row : top.list("families")) {
    const JsonFields f(row, path);
    add(file, f.text("name"), positive(f, "ms", path), path);
  }
  // It may be nothing, which has no ratio.
  const double outside = top.number("outside_ms", 0);
  if (outside > 0 && std::isfinite(outside)) add(file, "outside kernels", outside, path);
}

BenchFile parse(const std::string& path) {
  const MappedFile mapped = MappedFile::open(path, ErrorCode::data);
  if (mapped.size() > kLargestFile)
    refuse(path, fmt::format("it has {} bytes, at most {} are read", mapped.size(), kLargestFile));
  const auto json = parse_sorted_json(mapped.bytes(), path);
  const JsonFields top(json, path);
  BenchFile file{.bench = top.text("bench"), .device = printable(top.text("device"))};
  if (file.bench == "kernels")
    read_kernels(file, top, path);
  else if (file.bench == "step")
    read_step(file, top, path);
  else
    refuse(path, fmt::format("'bench' must be kernels or step, got '{}'", printable(file.bench)));
  return file;
}

// A file that contradicts itself is bad input here, not a broken checkpoint.
BenchFile read(const std::string& path) {
  try {
    return parse(path);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::corrupt) throw;
    refuse(path, e.message());
  }
}

void check_comparable(const BenchFile& a, const BenchFile& b, const std::string& path) {
  if (a.bench != b.bench)
    refuse(path,
           fmt::format("it is of `bench {}`, the first file of `bench {}`", b.bench, a.bench));
  if (a.subject != b.subject)
    refuse(path, fmt::format("it timed {}, the first file {}", b.subject, a.subject));
}

bool small(double ms, double step_ms) {
  return ms < kSmallShare * step_ms;
}

double effect(const BenchChange& c, bool step) {
  return step ? std::fabs(c.after_ms - c.before_ms) : std::fabs(std::log(c.ratio()));
}

}  // namespace

std::vector<BenchChange> BenchComparison::slower(double tolerance) const {
  std::vector<BenchChange> found;
  for (const auto& c : changes)
    if (!c.small && c.ratio() > 1 + tolerance) found.push_back(c);
  return found;
}

BenchComparison compare_benches(const std::string& before, const std::string& after) {
  const BenchFile a = read(before), b = read(after);
  check_comparable(a, b, after);
  BenchComparison all{.bench = a.bench, .before_device = a.device, .after_device = b.device};
  for (const auto& [name, ms] : a.ms)
    if (const auto other = b.ms.find(name); other != b.ms.end())
      all.changes.push_back({.name = name,
                             .before_ms = ms,
                             .after_ms = other->second,
                             .small = small(ms, a.step_ms) && small(other->second, b.step_ms)});
    else
      all.only_before.push_back(name);
  for (const auto& [name, ms] : b.ms)
    if (!a.ms.contains(name)) all.only_after.push_back(name);
  const bool step = a.bench == "step";
  std::stable_sort(all.changes.begin(), all.changes.end(),
                   [&](const auto& x, const auto& y) { return effect(x, step) > effect(y, step); });
  if (step)
    all.changes.insert(all.changes.begin(),
                       {.name = "step", .before_ms = a.step_ms, .after_ms = b.step_ms});
  if (all.changes.empty()) refuse(after, "the two files have no kernel in common");
  return all;
}

}  // namespace gigatrain
