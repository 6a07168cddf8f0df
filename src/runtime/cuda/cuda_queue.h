// The queue of one GPU: memory, one stream, and the launch of kernels. Part of the CUDA plugin;
// no CUDA header is needed to read this one.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gigatrain/runtime/backend.h"
#include "gigatrain/runtime/device.h"
#include "gigatrain/runtime/storage.h"
#include "runtime/cuda/grid.h"
#include "runtime/held_blocks.h"

namespace gigatrain {

class CudaLibraries;

class CudaQueue : public Backend {
 public:
  CudaQueue(const CudaOptions& options, const kernels::Table& table);
  ~CudaQueue() override;

  const kernels::Table& kernels() const override { return table_; }
  DeviceFacts facts() const override;
  void* allocate(std::int64_t bytes) override;
  void release(void* data) override;
  void upload(void* to, const void* from, std::int64_t bytes) override;
  void download(void* to, const void* from, std::int64_t bytes) override;
  void synchronize() override;
  std::unique_ptr<Marker> mark() override;
  void wait(const Marker& marker) override;
  std::unique_ptr<CopyQueue> make_copy_queue() override;
  void* native_queue() const override { return stream(); }
  void synchronize_all() override;
  std::map<std::string, std::string> algorithms() const override;
  void set_algorithms(const std::map<std::string, std::string>& chosen) override;

  // For kernels (kernels/cuda/).
  void current(const char* kernel);  // the name of what is submitted next
  void* stream() const;              // cudaStream_t
  template <class Kernel>
  void launch(const Kernel& kernel, Grid grid);  // launch.cuh
  void check_launch();                           // of the kernel just launched
  Storage scratch(std::int64_t bytes, const char* what);
  void* hold(std::int64_t bytes, const char* what) {  // workspace that stays, one for each name
    return held_.hold(*scratch_allocator, bytes, what);
  }
  const CudaOptions& options() const { return options_; }
  int compute_capability() const;  // 90 for sm_90

  // Where a kernel family keeps its handle, plans and choices (kernels/cuda/gemm.cpp, ...), made on
  // its first call.
  struct FamilyState {
    virtual ~FamilyState() = default;
    virtual void save(std::map<std::string, std::string>& /*algorithms*/) const {}
    virtual void load(const std::map<std::string, std::string>& /*algorithms*/) {}
  };
  enum Family { gemm_family, attention_family, family_count };
  template <class State>
  State& family(Family which) {
    auto& slot = families_[which];
    if (!slot) {
      slot = std::make_unique<State>(*this);
      slot->load(chosen_);
    }
    return static_cast<State&>(*slot);
  }

 private:
  struct Impl;
  [[noreturn]] void fail(int error, const char* doing);

  CudaOptions options_;
  const kernels::Table& table_;
  std::unique_ptr<Impl> impl_;
  std::map<std::string, std::string> chosen_;
  std::array<std::unique_ptr<FamilyState>, family_count> families_;
  HeldBlocks held_{*this};
};

int cuda_gpus();  // that this process sees; 0 without a driver

// A shared library of NVIDIA's, found at run time: already loaded, beside Python's nvidia-*
// packages, on the library path, or in the usual CUDA folders. Null when it is nowhere.
void* load_nvidia_library(const char* soname);
std::string nvidia_library_path(void* handle, const char* symbol);  // where it was found
// For `doctor`: machine code, and version and path of each library; "" where one is missing.
std::vector<std::pair<std::string, std::string>> cuda_build_facts();

}  // namespace gigatrain
