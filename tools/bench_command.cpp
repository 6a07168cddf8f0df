// `gigatrain bench`, and of it `kernels`: every kernel of a training step at the shapes of GPT-2
// 124M, beside the limits that this device was measured to have.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/base/error.h"
#include "gigatrain/train/bench_kernels.h"
#include "machine_rates.h"

namespace gigatrain::tools {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string dtype, filter;
  std::int64_t sequences = 0;
  bool bytes = false;
};

KernelBenchOptions bench_options(const Options& o, bool gpu) {
  const DType dtype = o.dtype.empty() ? (gpu ? DType::bf16 : DType::f32) : parse_dtype(o.dtype);
  if (dtype != DType::f32 && dtype != DType::bf16)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--dtype must be f32 or bf16, got {}", o.dtype));
  if (o.sequences < 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--sequences must be at least 1, got {}", o.sequences));
  return {.dtype = dtype, .sequences = o.sequences, .filter = o.filter};
}

[[noreturn]] void nothing_matches(const std::string& filter) {
  throw Error(ErrorCode::invalid_argument, fmt::format("no kernel's name contains '{}'", filter),
              "`gigatrain bench kernels --bytes` lists them all");
}

Json to_json(const KernelBytes& k, DType dtype) {
  return {{"name", k.name},
          {"shape", k.shape},
          {"dtype", name(dtype)},
          {"bytes", k.cost.least()},
          {"moved_bytes", k.moved > 0 ? Json(k.moved) : Json()},
          {"flops", k.cost.flops},
          {"exps", k.cost.exps},
          {"random_words", k.cost.random}};
}

Json to_json(const KernelTime& t, DType dtype) {
  Json j = to_json(t.call, dtype);
  j["ms"] = t.ms;
  j["bound"] = t.bound;
  j["percent_of_limit"] = t.percent_of_limit;
  return j;
}

double bytes(const KernelBytes& k) {
  return static_cast<double>(k.cost.least());
}

std::string ratio(const KernelBytes& k) {
  return k.moved > 0 ? fmt::format("{:.3f}", k.moved / bytes(k)) : "library";
}

int print_bytes(const Globals& globals, const KernelBenchOptions& o) {
  const auto all = kernel_bytes(o);
  if (all.empty()) nothing_matches(o.filter);
  Json j = Json::array();
  if (!globals.json)
    fmt::print("{:<40} {:<34} {:>12} {:>12} {:>8}\n", "kernel, " + std::string(name(o.dtype)),
               "shape", "least MB", "moved MB", "ratio");
  for (const auto& k : all) {
    j.push_back(to_json(k, o.dtype));
    if (!globals.json)
      fmt::print("{:<40} {:<34} {:>12.3f} {:>12} {:>8}\n", k.name, k.shape, bytes(k) / 1e6,
                 k.moved > 0 ? fmt::format("{:.3f}", k.moved / 1e6) : "-", ratio(k));
  }
  if (globals.json) fmt::print("{}\n", j.dump());
  return kOk;
}

// What there is none of is a dash: most kernels multiply no matrices.
std::string number(double value) {
  return value > 0 ? fmt::format("{:.1f}", value) : "-";
}

void print_row(const KernelTime& t) {
  fmt::print("{:<40} {:<34} {:>10.4f} {:>9.2f} {:>8.1f} {:>9} {:>9} {:>6.0f} %  {}\n", t.call.name,
             t.call.shape, t.ms, bytes(t.call) / 1e6, bytes(t.call) / t.ms / 1e6,
             number(t.call.cost.flops / 1e9), number(t.call.cost.flops / t.ms / 1e6),
             t.percent_of_limit, t.bound);
  std::fflush(stdout);
}

int run_kernels(const Globals& globals, const Options& options) {
  const auto device = make_device(globals);
  const DeviceFacts facts = device->facts();
  const KernelBenchOptions o = bench_options(options, !device->is_cpu());
  if (!globals.json)
    fmt::print("{}, {}\n{:<40} {:<34} {:>10} {:>9} {:>8} {:>9} {:>9} {:>8}  {}\n", facts.model,
               name(o.dtype), "kernel", "shape", "ms", "MB", "GB/s", "GFLOP", "GFLOP/s", "of limit",
               "bound");
  const KernelBench bench = bench_kernels(*device, o, [&](const KernelTime& t) {
    if (!globals.json) print_row(t);
  });
  if (bench.times.empty()) nothing_matches(o.filter);
  if (!globals.json) {
    fmt::print("limits: {}; products {:.0f} GFLOP/s in f32, {:.0f} in bf16\n",
               format_rates(bench.limit), bench.gemm_f32 / 1e9, bench.gemm_bf16 / 1e9);
    return kOk;
  }
  Json j = {{"bench", "kernels"},
            {"device", facts.model},
            {"gemm_flops", {{"f32", bench.gemm_f32}, {"bf16", bench.gemm_bf16}}},
            {"kernels", Json::array()}};
  j.update(rates_of(bench.limit));
  for (const auto& t : bench.times) j["kernels"].push_back(to_json(t, o.dtype));
  fmt::print("{}\n", j.dump());
  return kOk;
}

void add_kernels(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("kernels", "time every kernel at the shapes of GPT-2 124M");
  command->footer(
      "Percentages are of the kernel's floor: its bytes, exponentials, random words or products "
      "at\n"
      "the rate measured in the same run, whichever takes longest. Examples: gigatrain bench "
      "kernels --dtype bf16 --filter norm\n"
      "                           gigatrain bench kernels --bytes   (needs no device)");
  auto o = std::make_shared<Options>();
  command->add_option("--dtype", o->dtype, "f32 or bf16; default: bf16 on a GPU, f32 on a CPU");
  command->add_option("--filter", o->filter, "only kernels whose name contains this");
  command->add_option("--sequences", o->sequences,
                      "of 1,024 tokens; default: 8 on a GPU, 1 on a CPU");
  command->add_flag("--bytes", o->bytes,
                    "run nothing: bytes that the GPU's kernels move, against the least possible");
  command->callback([&globals, &action, o] {
    action = [&globals, o] {
      return o->bytes ? print_bytes(globals, bench_options(*o, true)) : run_kernels(globals, *o);
    };
  });
}

}  // namespace

void add_bench(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("bench", "measure this build on this machine");
  command->footer("Example: gigatrain bench kernels");
  command->require_subcommand(1);
  command->fallthrough();
  add_kernels(*command, globals, action);
  add_bench_step(*command, globals, action);
  add_bench_compare(*command, globals, action);
}

}  // namespace gigatrain::tools
