// cuBLASLt and cuDNN are found at run time, since they may come from the system or from Python's
// nvidia-* packages, in the folder layout of CUDA 12 (nvidia/cublas/lib) or 13 (nvidia/cu13/lib).
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/cuda/cuda_queue.h"

namespace gigatrain {

namespace {

namespace fs = std::filesystem;

// site-packages of the Python that a virtual environment or the plugin's own place points to.
std::vector<fs::path> python_packages() {
  std::vector<fs::path> found;
  const auto look = [&](const fs::path& lib) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(lib, ignored))
      if (const auto p = entry.path() / "site-packages" / "nvidia"; fs::is_directory(p, ignored))
        found.push_back(p);
  };
  if (const char* venv = std::getenv("VIRTUAL_ENV")) look(fs::path(venv) / "lib");
  if (const char* path = std::getenv("PATH")) {  // the Python that a shell would start
    std::istringstream words(path);
    for (std::string word; std::getline(words, word, ':');) {
      std::error_code ignored;
      if (fs::exists(fs::path(word) / "python3", ignored)) look(fs::path(word) / ".." / "lib");
    }
  }
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&load_nvidia_library), &info) && info.dli_fname) {
    // <site-packages>/gigatrain/.../libgigatrain_cuda.so
    std::error_code ignored;
    for (fs::path p = fs::absolute(info.dli_fname, ignored).parent_path(); p.has_relative_path();
         p = p.parent_path())
      if (fs::is_directory(p / "nvidia", ignored)) found.push_back(p / "nvidia");
  }
  for (const char* lib : {"/usr/local/lib", "/usr/lib"}) look(lib);
  return found;
}

std::vector<fs::path> folders() {
  std::vector<fs::path> all;
  for (const auto& nvidia : python_packages()) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(nvidia, ignored))
      if (fs::is_directory(entry.path() / "lib", ignored)) all.push_back(entry.path() / "lib");
  }
  all.emplace_back("/usr/local/cuda/lib64");
  all.emplace_back("/usr/local/cuda/targets/x86_64-linux/lib");
  return all;
}

}  // namespace

void* load_nvidia_library(const char* soname) {
  if (void* loaded = dlopen(soname, RTLD_NOW | RTLD_GLOBAL)) return loaded;
  for (const auto& folder : folders()) {
    std::error_code ignored;
    const fs::path path = folder / soname;
    if (!fs::exists(path, ignored)) continue;
    if (void* loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return loaded;
  }
  return nullptr;
}

std::string nvidia_library_path(void* handle, const char* symbol) {
  Dl_info info{};
  void* address = handle ? dlsym(handle, symbol) : nullptr;
  return address && dladdr(address, &info) && info.dli_fname ? info.dli_fname : "";
}

namespace {

// "80 90a 100" as it was given to CMake -> "sm_80, sm_90a, sm_100, PTX compute_100".
std::string machine_code() {
  std::string text, last;
  std::istringstream archs(GT_CUDA_ARCHS);
  for (std::string arch; archs >> arch; last = arch) text += "sm_" + arch + ", ";
  if (last.ends_with('a')) return text.substr(0, text.size() - 2);  // such code has no future PTX
  return text + "PTX compute_" + last;
}

// "13.1.0, /path": both libraries count versions as major * 10000 + minor * 100 + patch.
std::string library(const std::string& soname, const char* version_symbol) {
  void* handle = load_nvidia_library(soname.c_str());
  auto* version =
      reinterpret_cast<std::size_t (*)()>(handle ? dlsym(handle, version_symbol) : nullptr);
  if (!version) return "";
  const std::size_t v = version();
  return fmt::format("{}.{}.{}, {}", v / 10000, v / 100 % 100, v % 100,
                     nvidia_library_path(handle, version_symbol));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> cuda_build_facts() {
  return {{"GPU code", machine_code()},
          {"CUDA", fmt::format("{}.{}", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10)},
          {"cuBLASLt",
           library(fmt::format("libcublasLt.so.{}", CUDART_VERSION / 1000), "cublasLtGetVersion")},
          {"cuDNN", library("libcudnn.so.9", "cudnnGetVersion")}};
}

}  // namespace gigatrain
