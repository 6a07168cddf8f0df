#include "runtime/cuda/cuda_copies.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

cudaStream_t as_stream(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

cudaEvent_t as_event(void* event) {
  return static_cast<cudaEvent_t>(event);
}

void require(cudaError_t e, const char* doing) {
  if (e == cudaSuccess) return;
  throw Error(ErrorCode::device,
              fmt::format("the GPU failed while {}: {} ({})", doing, cudaGetErrorString(e),
                          cudaGetErrorName(e)),
              "it may be an earlier kernel's fault: run again with GIGATRAIN_CUDA_SYNC=1, which "
              "names the kernel");
}

}  // namespace

CurrentGpu::CurrentGpu(int ordinal) : before_(ordinal), ordinal_(ordinal) {
  cudaGetDevice(&before_);
  if (before_ != ordinal_) require(cudaSetDevice(ordinal_), "being made a thread's own");
}

CurrentGpu::~CurrentGpu() {
  if (before_ != ordinal_) cudaSetDevice(before_);
}

CudaMarker::CudaMarker(int ordinal, void* stream) {
  const CurrentGpu here(ordinal);
  cudaEvent_t event = nullptr;
  require(cudaEventCreate(&event), "making an event");
  event_ = event;
  if (const auto e = cudaEventRecord(event, as_stream(stream)); e != cudaSuccess) {
    cudaEventDestroy(event);
    require(e, "marking a point in its queue");
  }
}

CudaMarker::~CudaMarker() {
  cudaEventDestroy(as_event(event_));
}

void CudaMarker::wait() {
  cudaEventSynchronize(as_event(event_));
}

double CudaMarker::ms_since(const Marker& earlier) {
  float ms = 0;
  cudaEventSynchronize(as_event(event_));
  cudaEventElapsedTime(&ms, as_event(dynamic_cast<const CudaMarker&>(earlier).event_),
                       as_event(event_));
  return static_cast<double>(ms);
}

void CudaMarker::hold(void* stream) const {
  require(cudaStreamWaitEvent(as_stream(stream), as_event(event_), 0), "ordering two queues");
}

CudaCopies::CudaCopies(int ordinal) : ordinal_(ordinal), met_{ordinal} {
  const CurrentGpu here(ordinal);
  cudaStream_t stream = nullptr;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream for copies");
  stream_ = stream;
}

CudaCopies::~CudaCopies() {
  cudaStreamDestroy(as_stream(stream_));  // what is in it still runs
}

void CudaCopies::wait(const Marker& marker) {
  dynamic_cast<const CudaMarker&>(marker).hold(stream_);
}

// Without peer access the driver brings the bytes through host memory.
void CudaCopies::meet(int other) {
  const std::lock_guard lock(mutex_);
  if (!met_.insert(other).second) return;
  const CurrentGpu here(ordinal_);
  int can = 0;
  if (cudaDeviceCanAccessPeer(&can, ordinal_, other) != cudaSuccess || !can) return;
  const auto e = cudaDeviceEnablePeerAccess(other, 0);
  if (e != cudaErrorPeerAccessAlreadyEnabled) return require(e, "enabling access to a peer");
  cudaGetLastError();  // somebody else did; it is handled
}

void CudaCopies::copy(void* to, const void* from, std::int64_t bytes, int from_ordinal) {
  const auto count = static_cast<std::size_t>(bytes);
  const cudaStream_t stream = as_stream(stream_);
  if (from_ordinal == ordinal_)
    return require(cudaMemcpyAsync(to, from, count, cudaMemcpyDeviceToDevice, stream), "copying");
  meet(from_ordinal);
  require(cudaMemcpyPeerAsync(to, ordinal_, from, from_ordinal, count, stream),
          "copying from another GPU");
}

std::unique_ptr<Marker> CudaCopies::mark() {
  return std::make_unique<CudaMarker>(ordinal_, stream_);
}

}  // namespace gigatrain
