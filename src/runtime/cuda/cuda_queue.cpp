// One GPU through the CUDA runtime, which is linked statically: without a driver the plugin still
// loads, and says what is missing.
#include "runtime/cuda/cuda_queue.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "gigatrain/base/error.h"
#include "gigatrain/runtime/environment.h"
#include "runtime/cuda/cuda_copies.h"

namespace gigatrain {

namespace {

constexpr std::int64_t kSlotBytes = 4 << 20;  // of pinned staging memory
constexpr int kSlots = 2;

std::string version(int v) {
  return fmt::format("{}.{}", v / 1000, v % 1000 / 10);
}

// The machine code in this plugin (see cmake/GigatrainCuda.cmake), and what it runs on.
bool compiled_for(int major, int minor) {
  if (major == 8) return true;        // sm_80, and 8.x runs it
  if (major == 9) return minor == 0;  // sm_90a
  return major >= 10;                 // sm_100, or PTX of compute_100
}

[[noreturn]] void no_device(cudaError_t error) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0)
    throw Error(ErrorCode::device, "there is no NVIDIA driver on this machine",
                "install the NVIDIA driver, or run with --device cpu");
  if (driver / 1000 < runtime / 1000)
    throw Error(ErrorCode::device,
                fmt::format("the NVIDIA driver knows CUDA {}, this build needs {}", version(driver),
                            version(runtime / 1000 * 1000)),
                "update the driver (580 or newer for CUDA 13), or run with --device cpu");
  throw Error(ErrorCode::device, fmt::format("no GPU can be used: {}", cudaGetErrorString(error)),
              "check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or run with --device cpu");
}

// Asks for the properties of the device, with one clear message for each way it can be missing.
cudaDeviceProp open(int ordinal) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) no_device(error);
  if (ordinal < 0 || ordinal >= count)
    throw Error(ErrorCode::device,
                fmt::format("there is no GPU {}: this process sees {}", ordinal, count),
                "check CUDA_VISIBLE_DEVICES");
  cudaDeviceProp p{};
  if (const auto e = cudaGetDeviceProperties(&p, ordinal); e != cudaSuccess) no_device(e);
  if (!compiled_for(p.major, p.minor))
    throw Error(ErrorCode::device,
                fmt::format("{} has compute capability {}.{}; this build has machine code for 8.x, "
                            "9.0, 10.0 and newer",
                            p.name, p.major, p.minor),
                "use a GPU of the Ampere generation or newer, or run with --device cpu");
  if (const auto e = cudaSetDevice(ordinal); e != cudaSuccess) no_device(e);
  return p;
}

}  // namespace

int cuda_gpus() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

struct CudaQueue::Impl {
  cudaDeviceProp properties{};
  cudaStream_t stream = nullptr;
  struct Slot {
    void* memory = nullptr;  // pinned
    cudaEvent_t used = nullptr;
  };
  std::array<Slot, kSlots> slots;
  std::size_t next_slot = 0;
  bool wait_each = false;  // GIGATRAIN_CUDA_SYNC
  // The last kernels submitted, newest last: where to look when the GPU reports a fault.
  std::deque<const char*> recent;
};

CudaQueue::CudaQueue(const CudaOptions& options, const kernels::Table& table)
    : options_(options), table_(table), impl_(std::make_unique<Impl>()) {
  impl_->properties = open(options.ordinal);
  impl_->wait_each = Environment::read().cuda_sync;
  if (const auto e = cudaStreamCreateWithFlags(&impl_->stream, cudaStreamNonBlocking);
      e != cudaSuccess)
    fail(e, "while making its stream");
  for (auto& slot : impl_->slots) {
    if (const auto e = cudaMallocHost(&slot.memory, kSlotBytes); e != cudaSuccess)
      fail(e, "while pinning host memory");
    cudaEventCreateWithFlags(&slot.used, cudaEventDisableTiming);
  }
}

CudaQueue::~CudaQueue() {
  cudaStreamSynchronize(impl_->stream);
  for (auto& family : families_) family.reset();
  for (auto& slot : impl_->slots) {
    cudaEventDestroy(slot.used);
    cudaFreeHost(slot.memory);
  }
  cudaStreamDestroy(impl_->stream);
}

DeviceFacts CudaQueue::facts() const {
  const cudaDeviceProp& p = impl_->properties;
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  return {.kind = "cuda",
          .model = p.name,
          .ordinal = options_.ordinal,
          .processors = p.multiProcessorCount,
          .memory = static_cast<std::int64_t>(p.totalGlobalMem),
          .software = fmt::format("CUDA {} (driver {})", version(runtime), version(driver)),
          .isa = fmt::format("sm_{}{}{}", p.major, p.minor, options_.tf32 ? " tf32" : "")};
}

int CudaQueue::compute_capability() const {
  return impl_->properties.major * 10 + impl_->properties.minor;
}

void* CudaQueue::stream() const {
  return impl_->stream;
}

void* CudaQueue::allocate(std::int64_t bytes) {
  void* data = nullptr;
  const cudaError_t e = cudaMalloc(&data, static_cast<std::size_t>(bytes));
  if (e == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is handled: the allocator explains it
    return nullptr;
  }
  if (e != cudaSuccess) fail(e, "while allocating memory");
  return data;
}

void CudaQueue::release(void* data) {
  cudaFree(data);  // waits for the device
}

void CudaQueue::upload(void* to, const void* from, std::int64_t bytes) {
  for (std::int64_t done = 0; done < bytes; done += kSlotBytes) {
    auto& slot = impl_->slots[impl_->next_slot++ % kSlots];
    const auto count = static_cast<std::size_t>(std::min(kSlotBytes, bytes - done));
    if (const auto e = cudaEventSynchronize(slot.used); e != cudaSuccess) fail(e, "before a copy");
    std::memcpy(slot.memory, static_cast<const char*>(from) + done, count);
    const auto e = cudaMemcpyAsync(static_cast<char*>(to) + done, slot.memory, count,
                                   cudaMemcpyHostToDevice, impl_->stream);
    if (e != cudaSuccess) fail(e, "while copying to it");
    cudaEventRecord(slot.used, impl_->stream);
  }
}

void CudaQueue::download(void* to, const void* from, std::int64_t bytes) {
  for (std::int64_t done = 0; done < bytes; done += kSlotBytes) {
    auto& slot = impl_->slots[0];
    const auto count = static_cast<std::size_t>(std::min(kSlotBytes, bytes - done));
    if (const auto e = cudaEventSynchronize(slot.used); e != cudaSuccess) fail(e, "before a copy");
    const auto e = cudaMemcpyAsync(slot.memory, static_cast<const char*>(from) + done, count,
                                   cudaMemcpyDeviceToHost, impl_->stream);
    if (e != cudaSuccess) fail(e, "while copying from it");
    synchronize();
    std::memcpy(static_cast<char*>(to) + done, slot.memory, count);
  }
}

void CudaQueue::synchronize() {
  if (const auto e = cudaStreamSynchronize(impl_->stream); e != cudaSuccess)
    fail(e, "while waiting for it");
}

void CudaQueue::synchronize_all() {
  const CurrentGpu here(options_.ordinal);
  if (const auto e = cudaDeviceSynchronize(); e != cudaSuccess) fail(e, "while waiting for it");
}

std::unique_ptr<Marker> CudaQueue::mark() {
  return std::make_unique<CudaMarker>(options_.ordinal, impl_->stream);
}

void CudaQueue::wait(const Marker& marker) {
  dynamic_cast<const CudaMarker&>(marker).hold(impl_->stream);
}

std::unique_ptr<CopyQueue> CudaQueue::make_copy_queue() {
  return std::make_unique<CudaCopies>(options_.ordinal);
}

void CudaQueue::current(const char* kernel) {
  auto& recent = impl_->recent;
  recent.push_back(kernel);
  if (recent.size() > 16) recent.pop_front();
}

void CudaQueue::check_launch() {
  if (const auto e = cudaGetLastError(); e != cudaSuccess) fail(e, "while launching a kernel");
  if (impl_->wait_each) synchronize();
}

Storage CudaQueue::scratch(std::int64_t bytes, const char* what) {
  return Storage(*scratch_allocator, bytes, {Purpose::workspace, what});
}

std::map<std::string, std::string> CudaQueue::algorithms() const {
  std::map<std::string, std::string> all = chosen_;
  for (const auto& family : families_)
    if (family) family->save(all);
  return all;
}

void CudaQueue::set_algorithms(const std::map<std::string, std::string>& chosen) {
  chosen_ = chosen;
  for (const auto& family : families_)
    if (family) family->load(chosen_);
}

void CudaQueue::fail(int error, const char* doing) {
  const auto e = static_cast<cudaError_t>(error);
  const bool exact = impl_->wait_each && !impl_->recent.empty();
  std::string where;
  for (const char* kernel : impl_->recent)
    where += fmt::format("{}{}", where.empty() ? "" : ", ", kernel);
  if (exact) where = impl_->recent.back();
  throw Error(ErrorCode::device,
              fmt::format("the GPU failed {}: {} ({}){}{}", doing, cudaGetErrorString(e),
                          cudaGetErrorName(e),
                          exact ? "; in the kernel " : "; in one of the last kernels: ", where),
              exact ? "report this with the configuration; compute-sanitizer shows the address"
                    : "run again with GIGATRAIN_CUDA_SYNC=1, which names the kernel");
}

}  // namespace gigatrain
