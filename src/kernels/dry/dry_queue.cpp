#include "kernels/dry/dry_queue.h"

#include <cstring>

namespace gigatrain {

namespace {

constexpr std::int64_t kPage = 2 << 20, kSmall = 1 << 20, kSmallAlign = 512;

class DryMarker : public Marker {
 public:
  void wait() override {}
  double ms_since(const Marker&) override { return 0.0; }
};

}  // namespace

void* DryQueue::allocate(std::int64_t bytes) {
  if (bytes < kSmall)
    small_bytes_ += round_up(bytes, kSmallAlign);
  else
    large_bytes_ += round_up(bytes, kPage);
  return memory_.allocate(bytes);
}

std::int64_t DryQueue::pages_taken() const {
  return large_bytes_ + round_up(small_bytes_, kPage);
}

void DryQueue::download(void* to, const void*, std::int64_t bytes) {
  std::memset(to, 0, static_cast<std::size_t>(bytes));
}

std::unique_ptr<Marker> DryQueue::mark() {
  return std::make_unique<DryMarker>();
}

std::unique_ptr<Device> dry_cuda_device(const DeviceFacts& facts) {
  return std::make_unique<Device>(std::make_unique<DryQueue>(facts));
}

}  // namespace gigatrain
