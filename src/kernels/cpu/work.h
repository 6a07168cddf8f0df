// How the kernels cut their work: by shape only, never by thread count; and their scratch memory.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/cpu/check.h"
#include "kernels/cpu/lanes.h"

GT_ISA_BEGIN

inline constexpr std::int64_t kChunk = 16384;  // elements a task, where elements are independent
inline constexpr std::int64_t kRowBlock = 32;  // rows a task, and rows summed before blocks are
inline constexpr std::int64_t kColumns = 256;  // columns a task, where tasks cut columns

GT_INLINE std::int64_t blocks_of(std::int64_t n, std::int64_t size) {
  return (n + size - 1) / size;
}
GT_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}
GT_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) {
  return a > b ? a : b;
}
GT_INLINE std::int64_t padded(std::int64_t n) {
  return blocks_of(n, kLanes) * kLanes;
}

// body(begin, end, worker) for each block of `size` of [0, n).
template <class Body>
GT_INLINE void for_blocks(CpuQueue& queue, std::int64_t n, std::int64_t size, const Body& body) {
  queue.pool.parallel_for(blocks_of(n, size), [&](std::int64_t task, int worker) {
    body(task * size, smaller(n, (task + 1) * size), worker);
  });
}

// Workspace of one kernel call.
class Scratch {
 public:
  Scratch(CpuQueue& queue, std::int64_t bytes, const char* what)
      : allocator_(queue.scratch),
        block_(bytes > 0 ? allocator_.allocate(bytes, {Purpose::workspace, what}) : nullptr) {}
  ~Scratch() {
    if (block_) allocator_.free(block_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <class T>
  T* as() const {
    return block_ ? static_cast<T*>(block_->data) : nullptr;
  }

 private:
  Allocator& allocator_;
  detail::Block* block_;
};

// Calls f(T{}) with the element type of an activation: float, bf16 or f16.
template <class F>
GT_INLINE void with_activation_type(const char* kernel, DType dtype, const F& f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::bf16) return f(bf16{});
  if (dtype == DType::f16) return f(f16{});
  unsupported_dtype(kernel, dtype);
}
// The same with double, for the basic ops.
template <class F>
GT_INLINE void with_floating_type(const char* kernel, DType dtype, const F& f) {
  if (dtype == DType::f64) return f(double{});
  with_activation_type(kernel, dtype, f);
}
// Calls f(T{}) if the elements are integers; returns whether they are.
template <class F>
GT_INLINE bool with_integer_type(DType dtype, const F& f) {
  if (dtype == DType::u8) return f(std::uint8_t{}), true;
  if (dtype == DType::i32) return f(std::int32_t{}), true;
  if (dtype == DType::i64) return f(std::int64_t{}), true;
  return false;
}

// sum[c] (+)= partials[0][c] + partials[1][c] + ..., in ascending order of blocks.
inline void add_partials(CpuQueue& queue, const float* partials, std::int64_t blocks,
                         std::int64_t stride, std::int64_t columns, float* sum, bool accumulate) {
  for_blocks(queue, columns, kColumns, [&](std::int64_t begin, std::int64_t end, int) {
    for_lanes(end - begin, [&](auto lanes, std::int64_t i) GT_BODY {
      const float* p = partials + begin + i;
      f32x16 total{};
      for (std::int64_t b = 0; b < blocks; ++b) total += lanes.get(p + b * stride);
      float* out = sum + begin + i;
      lanes.put(out, accumulate ? lanes.get(out) + total : total);
    });
  });
}

GT_ISA_END
