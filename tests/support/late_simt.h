// A SIMT device of which nothing runs before its time: its kernels and copies are those of a
// LateMachine (late_device.h). Whole training steps run on it, and a wait that is missing between
// ranks shows in their bits. Blocks are kept for reuse, as on a GPU: giving one back waits for
// nothing.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "kernels/simt/simt_queue.h"
#include "support/late_device.h"

namespace gigatrain::test {

class LateSimtQueue : public SimtQueue {
 public:
  explicit LateSimtQueue(std::shared_ptr<LateMachine> late) : late_(std::move(late)) {}
  ~LateSimtQueue() override { late_.synchronize(); }  // what is left needs this one's machine

  void enqueue(std::function<void()> work) override { late_.launch(std::move(work)); }
  void* allocate(std::int64_t bytes) override { return late_.allocate(bytes); }
  void release(void* data) override { late_.release(data); }
  void upload(void* to, const void* from, std::int64_t bytes) override {
    late_.upload(to, from, bytes);
  }
  void download(void* to, const void* from, std::int64_t bytes) override {
    late_.download(to, from, bytes);
  }
  void synchronize() override { late_.synchronize(); }
  std::unique_ptr<Marker> mark() override { return late_.mark(); }
  void wait(const Marker& marker) override { late_.wait(marker); }
  std::unique_ptr<CopyQueue> make_copy_queue() override { return late_.make_copy_queue(); }

 private:
  LateQueue late_;
};

inline std::unique_ptr<Device> late_simt_device(const std::shared_ptr<LateMachine>& late) {
  return std::make_unique<Device>(std::make_unique<LateSimtQueue>(late));
}

}  // namespace gigatrain::test
