// What a device other than the CPU brings: its memory, its one ordered queue of work, and a kernel
// for every argument struct (kernels/table.h). The CUDA plugin implements it, and so do the two
// devices without hardware: the host SIMT machine of the tests, and the dry one that plans memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "gigatrain/base/dtype.h"
#include "gigatrain/runtime/allocator.h"

namespace gigatrain {

namespace kernels {
struct Table;
}

struct DeviceFacts {
  std::string kind;           // "cuda", "simt", "meta"
  std::string model;          // "NVIDIA H100 80GB HBM3"
  int ordinal = 0;            // which of the machine's devices of this kind
  int processors = 1;         // multiprocessors
  std::int64_t memory = 0;    // bytes, of the whole device; 0: unknown
  std::string software = {};  // driver and library versions
  std::string isa = {};       // "sm_90": with the kind, it names the bits of a run
};

// A point in a queue: reached when everything submitted before it is done.
class Marker {
 public:
  virtual ~Marker() = default;
  virtual void wait() = 0;                             // blocks the host
  virtual double ms_since(const Marker& earlier) = 0;  // both must have been reached
};

// Copies that run beside a device's kernels: a queue of its own, ordered with others by markers.
// Thread-safe. What was submitted is done even if the queue goes.
class CopyQueue {
 public:
  virtual ~CopyQueue() = default;
  // What is submitted here from now on comes after the marker, of any queue of any device of this
  // kind. The host goes on.
  virtual void wait(const Marker& marker) = 0;
  // `to` is this device's memory, `from` that of device number `from_ordinal` of this kind.
  virtual void copy(void* to, const void* from, std::int64_t bytes, int from_ordinal) = 0;
  virtual std::unique_ptr<Marker> mark() = 0;
};

class Backend : public MemorySource {
 public:
  virtual const kernels::Table& kernels() const = 0;
  virtual DeviceFacts facts() const = 0;

  // Ordered copies. upload: `from` may be changed on return. download: returns when it is there.
  virtual void upload(void* to, const void* from, std::int64_t bytes) = 0;
  virtual void download(void* to, const void* from, std::int64_t bytes) = 0;
  // Waits for everything. Throws Error(device) naming what failed.
  virtual void synchronize() = 0;
  virtual std::unique_ptr<Marker> mark() = 0;
  // As CopyQueue::wait, for kernels. Memory given back afterwards is reused after the marker only.
  virtual void wait(const Marker& marker) = 0;
  virtual std::unique_ptr<CopyQueue> make_copy_queue() = 0;

  // For other libraries on the same device: the queue as the driver knows it (a cudaStream_t), and
  // a wait for every library's work, this one's too.
  virtual void* native_queue() const { return nullptr; }
  virtual void synchronize_all() { synchronize(); }

  // How a kernel family chose among implementations, by problem; kept in checkpoints, so that a
  // resumed run makes the same choice, hence the same bits. Backends without choices ignore it.
  virtual std::map<std::string, std::string> algorithms() const { return {}; }
  virtual void set_algorithms(const std::map<std::string, std::string>& /*chosen*/) {}

  // Memory is counted and never touched: the CPU beside it is dry too.
  virtual bool dry() const { return false; }

  // Where kernels take their workspace; set by the Device that owns both.
  Allocator* scratch_allocator = nullptr;
};

}  // namespace gigatrain
