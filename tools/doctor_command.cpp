// `gigatrain doctor`: what is here, whether it fits together, and the one thing to do if not.

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli.h"
#include "gigatrain/train/machine_limit.h"
#include "gigatrain/version.h"
#include "machine_rates.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

using Json = nlohmann::ordered_json;

// What does not fit, and what to do about it.
struct Problem {
  std::string text, next;
};

struct Findings {
  bool plugin = false;
  std::vector<std::pair<std::string, std::string>> build{};  // cuda_plugin_facts()
  std::vector<DeviceFacts> gpus{};
  std::optional<Problem> problem{};  // the first one
  Json measured{};
  std::string rates{};  // as text
};

Problem problem_of(const Error& e) {
  return {e.message(), e.next()};
}

// Each library that the plugin needs, and does not find.
std::optional<Problem> missing_library(const Findings& f) {
  for (const auto& [what, found] : f.build) {
    if (!found.empty()) continue;
    if (what == "cuBLASLt")
      return Problem{"cuBLASLt is not found, and matrix products need it",
                     "pip install nvidia-cublas, or add the CUDA toolkit's folder to "
                     "LD_LIBRARY_PATH"};
    if (what == "cuDNN")
      return Problem{"cuDNN is not found: attention runs on a slower kernel of our own",
                     "pip install nvidia-cudnn-cu13, or add cuDNN's folder to LD_LIBRARY_PATH"};
  }
  return std::nullopt;
}

bool nvidia_hardware() {
  std::error_code ignored;
  return std::filesystem::exists("/dev/nvidiactl", ignored) ||
         std::filesystem::exists("/proc/driver/nvidia", ignored);
}

// Opens every GPU in turn; the first that cannot be opened is the problem, or the end of the list.
void look_for_gpus(Findings& f) {
  for (int ordinal = 0;; ++ordinal) try {
      f.gpus.push_back(Device::cuda({.ordinal = ordinal})->facts());
    } catch (const Error& e) {
      if (ordinal == 0) f.problem = problem_of(e);
      return;
    }
}

Findings look() {
  Findings f{.plugin = cuda_plugin_present()};
  if (!f.plugin) {
    if (nvidia_hardware())
      f.problem = {"this machine has an NVIDIA driver, and this build has no CUDA plugin",
                   "build with `cmake --preset cuda` (it needs nvcc)"};
    return f;
  }
  try {
    f.build = cuda_plugin_facts();
    look_for_gpus(f);
    if (!f.problem) f.problem = missing_library(f);
  } catch (const Error& e) {
    f.problem = problem_of(e);
  }
  return f;
}

void measure_into(Findings& f, const Globals& globals) {
  const auto device = make_device(globals);
  f.measured = {{"gemm_f32_flops", measure_gemm(*device, DType::f32, 1.0)},
                {"gemm_bf16_flops", measure_gemm(*device, DType::bf16, 1.0)},
                {"measured_on", device->facts().model}};
  const MachineLimit rates = measure_rates(*device, 0.5);
  f.measured.update(rates_of(rates));
  f.rates = format_rates(rates);
}

double memory_bytes() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
}

Json to_json(const Findings& f, const Device& cpu_device) {
  const CpuFeatures& cpu = CpuFeatures::get();
  Json j = {{"version", GIGATRAIN_VERSION},
            {"processor", cpu.model},
            {"cores", cpu.cores},
            {"threads", cpu_device.facts().processors},
            {"isa", name(cpu.best)},
            {"bf16_products", name(cpu.bf16)},
            {"memory_bytes", memory_bytes()},
            {"cuda", !f.gpus.empty()},
            {"cuda_plugin", f.plugin},
            {"cuda_build", Json::object()},
            {"gpus", Json::array()}};
  for (const auto& [what, found] : f.build)
    j["cuda_build"][what] = found.empty() ? Json() : Json(found);
  for (const auto& g : f.gpus)
    j["gpus"].push_back({{"model", g.model},
                         {"memory_bytes", g.memory},
                         {"processors", g.processors},
                         {"compute_capability", g.isa},
                         {"software", g.software}});
  if (f.problem) j["problem"] = {{"text", f.problem->text}, {"next", f.problem->next}};
  j.update(f.measured.is_null() ? Json::object() : f.measured);
  return j;
}

void print_gpus(const Findings& f) {
  if (!f.plugin) fmt::print("CUDA        not in this build\n");
  for (const auto& [what, found] : f.build)
    fmt::print("{:<12}{}\n", what == "plugin" ? "CUDA plugin" : what,
               found.empty() ? "not found" : found);
  for (const auto& g : f.gpus)
    fmt::print("GPU         {}, {}, {} multiprocessors, {}, {}\n", g.model,
               format_bytes(static_cast<double>(g.memory)), g.processors, g.isa, g.software);
  if (f.plugin && f.gpus.empty()) fmt::print("GPU         none\n");
}

void print(const Findings& f, const Device& cpu_device) {
  const CpuFeatures& cpu = CpuFeatures::get();
  fmt::print("gigatrain {}\n", GIGATRAIN_VERSION);
  fmt::print("processor   {}, {} cores for this process, {} threads\n", cpu.model, cpu.cores,
             cpu_device.facts().processors);
  fmt::print("vector code {}; bf16 products {}\n", name(cpu.best),
             cpu.bf16 == Bf16Products::widened ? "widened to f32 (no AVX512_BF16 here)"
                                               : fmt::format("in hardware ({})", name(cpu.bf16)));
  fmt::print("memory      {}\n", format_bytes(memory_bytes()));
  print_gpus(f);
  if (!f.measured.is_null())
    fmt::print("measured    {:.0f} GFLOP/s f32, {:.0f} GFLOP/s bf16, on {}\n            {}\n",
               f.measured["gemm_f32_flops"].get<double>() / 1e9,
               f.measured["gemm_bf16_flops"].get<double>() / 1e9,
               f.measured["measured_on"].get<std::string>(), f.rates);
  if (cpu.best == Isa::base)
    fmt::print("note: this processor has no AVX2; everything works, slowly\n");
  if (f.problem) fmt::print("problem: {}\n  next: {}\n", f.problem->text, f.problem->next);
  if (!f.problem || f.gpus.empty())
    fmt::print("ready{}: ./scripts/quickstart.sh trains a first model\n",
               f.problem ? " on the CPU" : "");
}

int doctor(const Globals& globals, bool measure) {
  Findings findings = look();
  if (measure) measure_into(findings, globals);
  const Device cpu;
  if (globals.json)
    fmt::print("{}\n", to_json(findings, cpu).dump());
  else
    print(findings, cpu);
  const bool wanted = globals.device == "cuda";
  return wanted && findings.gpus.empty() ? kDevice : kOk;
}

}  // namespace

void add_doctor(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("doctor", "what this machine and this build can do");
  command->footer(
      "Exit code 4 with --device cuda when no GPU can be used.\nExample: gigatrain doctor "
      "--measure");
  auto measure = std::make_shared<bool>(false);
  command->add_flag("--measure", *measure,
                    "also measure matrix products, memory and arithmetic (6 seconds)");
  command->callback([&globals, &action, measure] {
    action = [&globals, measure] { return doctor(globals, *measure); };
  });
}

}  // namespace gigatrain::tools
