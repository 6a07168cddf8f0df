// Points in a GPU's queues, and its queue of copies: a stream of its own. No CUDA header is needed
// to read this one.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>

#include "gigatrain/runtime/backend.h"

namespace gigatrain {

// The calling thread's GPU for as long as this lives: events and streams are made on it.
class CurrentGpu {
 public:
  explicit CurrentGpu(int ordinal);
  ~CurrentGpu();
  CurrentGpu(const CurrentGpu&) = delete;
  CurrentGpu& operator=(const CurrentGpu&) = delete;

 private:
  int before_, ordinal_;
};

class CudaMarker : public Marker {
 public:
  CudaMarker(int ordinal, void* stream);  // cudaStream_t, of that GPU
  ~CudaMarker() override;
  CudaMarker(const CudaMarker&) = delete;
  CudaMarker& operator=(const CudaMarker&) = delete;
  void wait() override;
  double ms_since(const Marker& earlier) override;
  void hold(void* stream) const;  // of any GPU: what follows there comes after this point

 private:
  void* event_ = nullptr;  // cudaEvent_t
};

class CudaCopies : public CopyQueue {
 public:
  explicit CudaCopies(int ordinal);
  ~CudaCopies() override;
  CudaCopies(const CudaCopies&) = delete;
  CudaCopies& operator=(const CudaCopies&) = delete;
  void wait(const Marker& marker) override;
  void copy(void* to, const void* from, std::int64_t bytes, int from_ordinal) override;
  std::unique_ptr<Marker> mark() override;

 private:
  void meet(int other);  // lets this GPU read the other one's memory, if the machine can

  int ordinal_;
  void* stream_ = nullptr;
  std::mutex mutex_;
  std::set<int> met_;
};

}  // namespace gigatrain
