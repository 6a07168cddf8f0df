#include "kernels/simt/simt_queue.h"

namespace gigatrain {

SimtQueue::SimtQueue(simt::Order order) : machine(order) {}

void* SimtQueue::allocate(std::int64_t bytes) {
  // aligned_alloc wants multiples; malloc's 16 bytes suffice for packs, and its end is exact.
  return std::malloc(static_cast<std::size_t>(bytes));
}

std::unique_ptr<Device> simt_device(simt::Order order) {
  return std::make_unique<Device>(std::make_unique<SimtQueue>(order), /*exact=*/true);
}

}  // namespace gigatrain
