// `gigatrain doctor`: what is here, whether it fits together, and the one thing to do if not.

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/machine_limit.h"
#include "gigatrain/version.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

double memory_bytes() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
}

int doctor(const Globals& globals, bool measure) {
  const auto device = make_device(globals);
  const CpuFeatures& cpu = CpuFeatures::get();
  nlohmann::ordered_json j = {{"version", GIGATRAIN_VERSION},
                              {"processor", cpu.model},
                              {"cores", cpu.cores},
                              {"threads", device->pool().threads()},
                              {"isa", name(cpu.best)},
                              {"bf16_products", cpu.avx512_bf16 ? "avx512_bf16" : "widened to f32"},
                              {"memory_bytes", memory_bytes()},
                              {"cuda", false}};
  if (measure) {
    j["gemm_f32_flops"] = measure_gemm(*device, DType::f32, 1.0);
    j["gemm_bf16_flops"] = measure_gemm(*device, DType::bf16, 1.0);
    j["copy_bytes_per_s"] = measure_copy(*device, 1.0);
  }
  if (globals.json) {
    fmt::print("{}\n", j.dump());
    return kOk;
  }
  fmt::print("gigatrain {}\n", GIGATRAIN_VERSION);
  fmt::print("processor   {}, {} cores for this process, {} threads\n", cpu.model, cpu.cores,
             device->pool().threads());
  fmt::print(
      "vector code {}; bf16 products {}\n", name(cpu.best),
      cpu.avx512_bf16 ? "in hardware (AVX512_BF16)" : "widened to f32 (no AVX512_BF16 here)");
  fmt::print("memory      {}\n", format_bytes(memory_bytes()));
  fmt::print("CUDA        not in this build\n");
  if (measure)
    fmt::print("measured    {:.0f} GFLOP/s f32, {:.0f} GFLOP/s bf16, copy {:.1f} GB/s\n",
               j["gemm_f32_flops"].get<double>() / 1e9, j["gemm_bf16_flops"].get<double>() / 1e9,
               j["copy_bytes_per_s"].get<double>() / 1e9);
  if (cpu.best == Isa::base)
    fmt::print("note: this processor has no AVX2; everything works, slowly\n");
  fmt::print("ready: ./scripts/quickstart.sh trains a first model\n");
  return kOk;
}

}  // namespace

void add_doctor(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("doctor", "what this machine and this build can do");
  command->footer("Example: gigatrain doctor --measure");
  auto measure = std::make_shared<bool>(false);
  command->add_flag("--measure", *measure, "also measure matrix products and memory (3 seconds)");
  command->callback([&globals, &action, measure] {
    action = [&globals, measure] { return doctor(globals, *measure); };
  });
}

}  // namespace gigatrain::tools
