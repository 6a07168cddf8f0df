// Finding and loading the CUDA plugin: beside the library, so that a CPU install never needs it,
// nor a driver.
#include "runtime/cuda_plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "gigatrain/base/error.h"
#include "gigatrain/runtime/environment.h"

namespace gigatrain {

namespace {

namespace fs = std::filesystem;

std::string plugin_path() {
  Dl_info info{};
  dladdr(reinterpret_cast<void*>(&plugin_path), &info);
  std::error_code ignored;
  const fs::path library = fs::canonical(info.dli_fname ? info.dli_fname : "", ignored);
  return (library.parent_path() / "libgigatrain_cuda.so").string();
}

template <class F>
F symbol(void* handle, const char* name, const std::string& path) {
  void* address = dlsym(handle, name);
  if (!address)
    throw Error(ErrorCode::device,
                fmt::format("{} is not a gigatrain plugin: it lacks {}", path, name),
                "install the library and its CUDA plugin from one build");
  return reinterpret_cast<F>(address);
}

void* load(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw Error(ErrorCode::device,
                fmt::format("this build has no CUDA plugin ({} is not there)", path),
                "build with `cmake --preset cuda`, or run with --device cpu");
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    throw Error(ErrorCode::device,
                fmt::format("the CUDA plugin {} does not load: {}", path, dlerror()),
                "install the library and its CUDA plugin from one build");
  return handle;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> cuda_plugin_facts() {
  std::vector<std::pair<std::string, std::string>> facts;
  if (!cuda_plugin_present()) return facts;
  const std::string path = plugin_path();
  symbol<void (*)(decltype(facts)*)>(load(path), "gigatrain_cuda_describe", path)(&facts);
  facts.insert(facts.begin(), {"plugin", path});
  return facts;
}

bool cuda_plugin_present() {
  std::error_code ignored;
  return fs::exists(plugin_path(), ignored);
}

int cuda_device_count() {
  if (!cuda_plugin_present()) return 0;
  const std::string path = plugin_path();
  try {
    return symbol<int (*)()>(load(path), "gigatrain_cuda_count", path)();
  } catch (const Error&) {
    return 0;
  }
}

std::unique_ptr<Device> Device::cuda(const CudaOptions& options) {
  const std::string path = plugin_path();
  void* handle = load(path);
  const int abi = symbol<int (*)()>(handle, "gigatrain_cuda_abi", path)();
  if (abi != kCudaPluginAbi)
    throw Error(
        ErrorCode::device,
        fmt::format("{} has interface {}, this library needs {}", path, abi, kCudaPluginAbi),
        "install the library and its CUDA plugin from one build");
  const auto open = symbol<Backend* (*)(const CudaOptions*)>(handle, "gigatrain_cuda_open", path);
  return std::make_unique<Device>(std::unique_ptr<Backend>(open(&options)));
}

std::unique_ptr<Device> open_device(std::string_view kind, const CudaOptions& options,
                                    int local_ranks) {
  const std::string wanted(kind == "auto" ? Environment::read().device : kind);
  const auto cpu = [&] {
    const bool chosen = local_ranks == 1 || Environment::read().num_threads > 0;
    const int share = std::max(1, CpuFeatures::get().cores / local_ranks);
    return std::make_unique<Device>(CpuOptions{.threads = chosen ? 0 : share});
  };
  if (wanted == "cpu") return cpu();
  if (wanted == "cuda") return Device::cuda(options);
  if (wanted != "auto")
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the device must be auto, cpu or cuda, got '{}'", wanted));
  if (!cuda_plugin_present()) return cpu();
  try {
    return Device::cuda(options);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::device) throw;
    return cpu();  // no usable GPU: `doctor` says why
  }
}

}  // namespace gigatrain
